import { afterAll, describe, expect, test } from "vitest";
import {
  collectEnd,
  createAgentHost,
  type ExecuteRequest,
  functionAgent,
} from "../../packages/easynet/src/agents/index.ts";
import type { AgentEvent } from "../../packages/easynet/src/model/index.ts";
import { agentContract } from "../../packages/easynet/src/testing/contracts/agent.ts";
import { verifies } from "../requirements.ts";
import { burn } from "./agents-worker-functions.ts";

verifies("agents:pool:workers");

const module = new URL("./agents-worker-functions.ts", import.meta.url);
const BURN_MS = 1000;

const agent = functionAgent({ name: "workers", threads: 2 });
agent.register("hash", { module, export: "hash" }, { parameters: ["text"] });
agent.register("sum", { module });
agent.register("listen", { module, export: "listen" }, { withContext: true });
for (const name of ["burn", "spin", "fail", "count", "closure", "crash", "missing"]) {
  agent.register(name, { module, export: name });
}
agent.register("burn-here", burn);
const host = createAgentHost();
host.add(agent, { did: "did:key:z6MkWorkers" });

afterAll(async () => {
  await host.close(0);
  await agent.close();
});

async function call(
  capability: string,
  args: readonly unknown[] = [],
  more: Partial<ExecuteRequest> = {},
): Promise<AgentEvent> {
  return collectEnd(host.execute({ taskId: "t", capability, input: { args, kwargs: {} }, from: "local", ...more }));
}

/** Turns of a 5 ms heartbeat per second of the main loop while `work` runs. */
async function heartbeatsPerSecond(work: () => Promise<unknown>): Promise<number> {
  let beats = 0;
  const timer = setInterval(() => beats++, 5);
  const startedAtMs = performance.now();
  await work();
  const seconds = (performance.now() - startedAtMs) / 1000;
  clearInterval(timer);
  return beats / seconds;
}

describe("worker functions", () => {
  test.for(agentContract)("$name", { timeout: 20_000 }, async ({ run }) => {
    const kept = run({
      open(clock) {
        const own = functionAgent({ name: "own", threads: 1, clock });
        own.register("hash", { module, export: "hash" }, { parameters: ["text"] });
        own.register("fail", { module, export: "fail" });
        own.register("spin", { module, export: "spin" });
        return own;
      },
      answers: {
        capability: "hash",
        input: { args: [], kwargs: { text: "x" } },
        value: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
      },
      fails: { capability: "fail", input: { args: [], kwargs: {} }, code: "FUNCTION_FAILED" },
      lasts: { capability: "spin", input: { args: [], kwargs: {} } },
    });
    await expect(kept).resolves.toBeUndefined();
  });

  test("run by name or as default export, many at once, and give the right answers", async () => {
    expect(await call("sum", [1, 2, 3])).toMatchObject({ value: 6 });
    const answers = await Promise.all(Array.from({ length: 200 }, async (_, index) => call("sum", [index, 1])));
    expect(answers).toMatchObject(Array.from({ length: 200 }, (_, index) => ({ value: index + 1 })));
  });

  test("heartbeats go on while a worker burns the processor; they stop when the same runs in the loop", async () => {
    await call("sum", [1]);
    const idle = await heartbeatsPerSecond(
      async () =>
        new Promise((resolve) => {
          setTimeout(resolve, BURN_MS);
        }),
    );
    const pooled = await heartbeatsPerSecond(async () => call("burn", [BURN_MS]));
    const inLoop = await heartbeatsPerSecond(async () => call("burn-here", [BURN_MS]));
    expect(pooled / idle).toBeGreaterThan(0.3);
    expect(inLoop / idle).toBeLessThan(0.1);
  });

  test("an error keeps the name of its class; what cannot work in a thread says so", async () => {
    const failed = (details: object): object => ({ error: { code: "FUNCTION_FAILED", details } });
    expect(await call("fail")).toMatchObject(failed({ name: "OddError", reason: "not today" }));
    expect(await call("closure")).toMatchObject(failed({ reason: expect.stringContaining("could not be cloned") }));
    expect(await call("count")).toMatchObject({
      error: { code: "INVALID_ARGUMENT", details: { reason: expect.stringContaining("generators cannot stream") } },
    });
    expect(await call("missing")).toMatchObject({
      error: { code: "INVALID_ARGUMENT", details: { reason: expect.stringContaining("no function missing") } },
    });
  });

  test("a thread that dies fails its own call only", async () => {
    expect(await call("crash")).toMatchObject({ error: { code: "FUNCTION_FAILED" } });
    expect(await call("sum", [2, 2])).toMatchObject({ value: 4 });
  });

  test("an endless loop is ended by the deadline, and its thread is replaced", async () => {
    const deadlineAtMs = Date.now() + 200;
    const ends = await Promise.all([1, 2, 3].map(async () => call("spin", [], { deadlineAtMs })));
    expect(ends).toMatchObject(ends.map(() => ({ error: { code: "DEADLINE_EXCEEDED" } })));
    expect(await call("sum", [1, 1])).toMatchObject({ value: 2 });
    expect(host.load().running).toBe(0);
  });

  test("a function that takes the context hears of the abort in its thread", async () => {
    const controller = new AbortController();
    const pending = call("listen", [], { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    expect(await pending).toMatchObject({ error: { code: "CANCELLED" } });
    expect(await call("sum", [1, 1])).toMatchObject({ value: 2 });
  });
});
