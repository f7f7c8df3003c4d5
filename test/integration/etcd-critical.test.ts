import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLogger, systemClock } from "../../packages/easynet/src/kernel/index.ts";
import { createEtcdStore, Election, freeName, takeName } from "../../packages/easynet/src/state/index.ts";
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

  test("candidates elect one of them, and names have one owner", async () => {
    const store = createEtcdStore({ endpoints: servers.endpoints, prefix: "election/" });
    const led: string[] = [];
    const elections = ["anna", "ben"].map(
      (candidate) =>
        new Election({
          store,
          clock: systemClock,
          logger: silentLogger,
          resource: "work",
          candidate,
          ttlMs: 1500,
          onChange: (lease) => void (lease && led.push(candidate)),
        }),
    );
    await expect.poll(() => led.length, { timeout: 10_000 }).toBe(1);
    const [first, second] = led[0] === "anna" ? elections : elections.toReversed();
    await first?.[Symbol.asyncDispose]();
    await expect.poll(() => led.length, { timeout: 10_000 }).toBe(2);
    await second?.[Symbol.asyncDispose]();
    expect(new Set(led).size).toBe(2);
    await expect(takeName(store, { name: "printer", owner: "anna" })).resolves.toEqual({ taken: true });
    await expect(takeName(store, { name: "printer", owner: "ben" })).resolves.toEqual({ taken: false, owner: "anna" });
    await expect(freeName(store, { name: "printer", owner: "anna" })).resolves.toBe(true);
  });
});
