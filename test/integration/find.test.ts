import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client, ComputeNode, isEasynetError } from "../../packages/easynet/src/index.ts";
import { LocalClient } from "../../packages/easynet/src/cli/local-client.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifies } from "../requirements.ts";

verifies("mesh:registry:built-in", "model:node:record", "model:node:status");

const home = mkdtempSync(join(tmpdir(), "easynet-find-"));
const options = { home, mdns: false, listenPort: 0, apiPort: 0, logLevel: "silent" } as const;
const node = new ComputeNode(options);
const client = new Client(options);

beforeAll(async () => {
  node.register("ocr", (text: string) => text, { tags: ["fast"], languages: ["zh"] });
  node.register("plain", () => 1);
  await node.serve();
});

afterAll(async () => {
  await client.close();
  await node.stop();
  rmSync(home, { recursive: true, force: true });
});

describe("the query language", () => {
  test("is the same in the SDK as text and as an object, and over HTTP", async () => {
    const names = (found: readonly { readonly capability: { readonly name: string } }[]): string[] =>
      found.map(({ capability }) => capability.name);
    expect(names(await client.find("lang:zh tag:fast"))).toEqual(["ocr"]);
    expect(names(await client.find({ tags: ["fast"], languages: ["zh"] }))).toEqual(["ocr"]);
    expect(await LocalClient.open(home).get("/api/find?q=tag:fast")).toMatchObject({ offers: [{ status: "alive" }] });
    const agents = await LocalClient.open(home).get("/api/agents?where=tag:fast");
    expect(agents).toMatchObject({
      agents: [{ node: { seedStatus: "active", path: { kind: "local" }, busy: false } }],
    });
  });

  test("says where it is wrong", async () => {
    const failed = await client.find("price<cheap").catch((error: unknown) => error);
    expect(isEasynetError(failed, "QUERY_INVALID")).toBe(true);
    await expect(LocalClient.open(home).get("/api/find?q=colour:red")).rejects.toMatchObject({
      code: "QUERY_INVALID",
      details: { position: 1 },
    });
  });

  test("finds nothing of a node in maintenance, unless it is asked for, and everything again afterwards", async () => {
    const local = LocalClient.open(home);
    await local.post("/api/maintenance", { on: true });
    expect(await client.find("tag:fast")).toEqual([]);
    expect(await client.find("tag:fast status:maintenance")).toHaveLength(1);
    expect(await local.get("/api/agents?where=status:maintenance")).toMatchObject({
      agents: [{ node: { status: "maintenance", seedStatus: "maintenance" } }],
    });
    await expect(client.execute("ocr", "x")).rejects.toMatchObject({ code: "NO_CAPABLE_AGENT" });
    await local.post("/api/maintenance", { on: false });
    expect(await client.execute("ocr", "x")).toBe("x");
  });
});
