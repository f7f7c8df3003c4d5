import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEtcdStore } from "../../packages/easynet/src/state/index.ts";
import { criticalContract } from "../../packages/easynet/src/testing/contracts/critical.ts";
import { type EtcdServers, hasEtcd, startEtcd } from "../support/etcd-server.ts";

const pass = async (durationMs: number): Promise<void> =>
  new Promise((resolve) => void setTimeout(resolve, durationMs));

describe.skipIf(!hasEtcd())("critical state in etcd (skipped where etcd-server is not installed)", () => {
  let servers: EtcdServers;
  let number = 0;

  beforeAll(async () => {
    servers = await startEtcd(1);
  });
  afterAll(async () => {
    await servers[Symbol.asyncDispose]();
  });

  test.for(criticalContract)("$name", async ({ run }) => {
    const open = async () => {
      const options = { endpoints: servers.endpoints, prefix: `test/${number++}/` };
      const close = async (): Promise<void> => Promise.resolve();
      const both = { store: createEtcdStore(options), other: createEtcdStore(options) };
      return Promise.resolve({ ...both, [Symbol.asyncDispose]: close });
    };
    await expect(run({ open, pass })).resolves.toBeUndefined();
  });

  test("the next member is asked when one cannot be reached; without any nothing was done", async () => {
    const dead = "http://127.0.0.1:65534";
    const store = createEtcdStore({ endpoints: [dead, ...servers.endpoints], prefix: "next/" });
    await store.put("a", Buffer.from("1"));
    await expect(store.list("")).resolves.toHaveLength(1);
    const nobody = createEtcdStore({ endpoints: [dead] });
    await expect(nobody.put("a", Buffer.from("1"))).rejects.toMatchObject({ code: "NO_MAJORITY" });
    await expect(nobody.get("a")).rejects.toMatchObject({ code: "NO_MAJORITY" });
  });
});
