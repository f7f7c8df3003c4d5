import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Gateway } from "../../packages/easynet/src/gateway/index.ts";
import type { RoutedEvent } from "../../packages/easynet/src/routing/index.ts";
import type { FakeNode } from "../../packages/easynet/src/testing/fake-node.ts";
import { verifies } from "../requirements.ts";
import { collect, until } from "./attach-client.ts";
import { startTestGateway, TOKEN } from "./gateway-client.ts";

const WORKER = join(import.meta.dirname, "../../examples/attach-python/easynet_worker.py");
const hasPython = spawnSync("python3", ["--version"]).status === 0;

// Without python3 these tests are reported as skipped.
describe.skipIf(!hasPython)("the Python example", () => {
  verifies("messaging:sdk:languages");
  let home: string;
  let gateway: Gateway;
  let node: FakeNode;
  let worker: ChildProcess;

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "easynet-python-"));
    ({ gateway, node } = await startTestGateway());
    writeFileSync(join(home, "run.json"), JSON.stringify({ apiUrl: gateway.url }));
    writeFileSync(join(home, "token"), `${TOKEN}\n`);
    worker = spawn("python3", ["-u", WORKER], {
      env: { ...process.env, EASYNET_HOME: home, PYTHONDONTWRITEBYTECODE: "1" },
      stdio: "pipe",
    });
    worker.stderr?.pipe(process.stderr);
    await once(worker.stdout ?? worker, "data");
  });
  afterAll(async () => {
    worker.kill("SIGKILL");
    await gateway.close();
    rmSync(home, { recursive: true });
  });

  const call = async (capability: string, args: readonly unknown[]): Promise<RoutedEvent[]> =>
    collect(node.call({ capability, input: { args, kwargs: {} } }));

  test("offers its functions with their parameters", () => {
    expect(node.offers({ agent: "python-worker" }).map((offer) => offer.capability)).toMatchObject([
      { name: "word-count", parameters: ["text"], streaming: false, idempotent: true },
      { name: "reverse", parameters: ["text"] },
      { name: "count-down", parameters: ["start"], streaming: true },
    ]);
  });

  test("answers calls, also in Chinese, with keyword arguments, and larger than one WebSocket length field", async () => {
    expect((await call("word-count", ["three small words"])).at(-1)).toMatchObject({ type: "final", value: 3 });
    expect((await call("reverse", ["你好 world"])).at(-1)).toMatchObject({ value: "dlrow 好你" });
    const named = { capability: "reverse", input: { args: [], kwargs: { text: "abc" } } };
    expect((await collect(node.call(named))).at(-1)).toMatchObject({ value: "cba" });
    for (const length of [125, 126, 65_535, 65_536, 1_000_000]) {
      const text = "a".repeat(length - 1) + "b";
      expect((await call("reverse", [text])).at(-1)).toMatchObject({ value: "b" + "a".repeat(length - 1) });
    }
  });

  test("works on many calls at once", async () => {
    const texts = Array.from({ length: 50 }, (_, index) => "w ".repeat(index));
    const values = await Promise.all(texts.map((text) => call("word-count", [text])));
    expect(values.map((events) => events.at(-1))).toMatchObject(texts.map((_, index) => ({ value: index })));
  });

  test("streams a generator further than one window", async () => {
    const events = await call("count-down", [200]);
    const items = events.flatMap((event) => (event.type === "item" ? [event.value] : []));
    expect(items).toEqual(Array.from({ length: 200 }, (_, index) => 200 - index));
  });

  test("reports exceptions with name and text", async () => {
    expect((await call("word-count", [42])).at(-1)).toMatchObject({
      type: "error",
      error: { code: "FUNCTION_FAILED", details: { name: "AttributeError" } },
    });
  });

  test("stops a generator that nobody reads any more", async () => {
    const reader = node.call({ capability: "count-down", input: { args: [1_000_000_000], kwargs: {} } });
    for await (const event of reader) if (event.type === "item") break;
    expect((await call("word-count", ["still here"])).at(-1)).toMatchObject({ value: 2 });
  });

  test("leaves the network when it is killed", async () => {
    const running = call("count-down", [1_000_000_000]);
    worker.kill("SIGKILL");
    expect((await running).at(-1)).toMatchObject({ type: "error", error: { code: "PROVIDER_LOST" } });
    await until(() => node.offers({ agent: "python-worker" }).length === 0);
  });
});
