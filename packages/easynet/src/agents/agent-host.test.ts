import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { EasynetError } from "../kernel/index.ts";
import type { AgentEvent } from "../model/index.ts";
import { FakeAgent, fakeCapability } from "../testing/fake-agent.ts";
import { AGENT_DID, codeOf, gatedAgent, hostWith, turn } from "../testing/host-fixture.ts";
import { functionAgent } from "./function-agent.ts";
import { STOP_GRACE_MS } from "./one-end.ts";
import type { TaskContext } from "./types.ts";

const never = new Promise<never>(() => undefined);

describe("finding the agent", () => {
  test("by did, by name, or whoever offers the capability; a new capability is seen at once", async () => {
    const agent = functionAgent({ name: "one" });
    const { host, run } = hostWith(new FakeAgent({ name: "other", capabilities: ["else"] }));
    host.add(agent, { did: "did:key:z6MkOne" });
    expect(codeOf(await run())).toBe("CAPABILITY_UNKNOWN");
    agent.register("work", () => "one");
    expect(codeOf(await run())).toBe("final");
    expect(codeOf(await run({ agentDid: "did:key:z6MkOne" }))).toBe("final");
    expect(codeOf(await run({ agentName: "one" }))).toBe("final");
    expect(codeOf(await run({ agentDid: AGENT_DID }))).toBe("CAPABILITY_UNKNOWN");
    expect(codeOf(await run({ agentDid: "did:key:z6MkNobody" }))).toBe("CAPABILITY_UNKNOWN");
    agent.unregister("work");
    expect(codeOf(await run())).toBe("CAPABILITY_UNKNOWN");
  });

  test("two agents may not share a name; one that was taken back is gone", async () => {
    const { host, handle, run } = hostWith(new FakeAgent());
    expect(() => host.add(new FakeAgent(), { did: "did:key:z6MkTwo" })).toThrow(
      expect.objectContaining({ code: "AGENT_EXISTS" }),
    );
    await handle[Symbol.asyncDispose]();
    expect(host.agents()).toEqual([]);
    expect(codeOf(await run())).toBe("CAPABILITY_UNKNOWN");
    host.add(new FakeAgent(), { did: AGENT_DID });
    expect(codeOf(await run())).toBe("final");
  });
});

describe("input and output", () => {
  const capability = fakeCapability("work", {
    parameters: ["n"],
    inputSchema: { type: "object", properties: { n: { type: "number" } }, required: ["n"] },
    outputSchema: { type: "number" },
  });

  test("any driver's input is checked before it runs; it gets it bound to names", async () => {
    const agent = new FakeAgent({
      capabilities: [capability],
      script: () => [{ type: "final", value: 1, stop: "end" }],
    });
    const { run } = hostWith(agent);
    expect(codeOf(await run({ input: { args: ["x"], kwargs: {} } }))).toBe("INPUT_INVALID");
    expect(agent.tasks).toEqual([]);
    expect(codeOf(await run({ input: { args: [1], kwargs: {} } }))).toBe("final");
    expect(agent.tasks[0]?.bound).toEqual({ n: 1 });
  });

  test("any driver's output is checked, also item by item", async () => {
    const wrong: AgentEvent = { type: "final", value: "x", stop: "end" };
    const input = { args: [1], kwargs: {} };
    const one = hostWith(new FakeAgent({ capabilities: [capability], script: () => [wrong] }));
    expect(codeOf(await one.run({ input }))).toBe("OUTPUT_INVALID");
    const items: AgentEvent[] = [
      { type: "item", value: 1 },
      { type: "item", value: "x" },
    ];
    const many = hostWith(new FakeAgent({ capabilities: [capability], script: () => [...items, wrong] }));
    const events = await many.run({ input });
    expect(events.map(({ type }) => type)).toEqual(["item", "error"]);
    expect(codeOf(events)).toBe("OUTPUT_INVALID");
  });

  test("what a stream returns is not held to the schema of its items", async () => {
    const script = (): AgentEvent[] => [
      { type: "item", value: 1 },
      { type: "final", value: undefined, stop: "end" },
    ];
    const { run } = hostWith(new FakeAgent({ capabilities: [capability], script }));
    expect(codeOf(await run({ input: { args: [1], kwargs: {} } }))).toBe("final");
  });

  test("a schema that does not compile is an error of the call, not of the host", async () => {
    const broken = fakeCapability("work", { inputSchema: { type: "nonsense" } });
    const { run } = hostWith(new FakeAgent({ capabilities: [broken] }));
    expect(codeOf(await run())).toBe("INVALID_ARGUMENT");
  });
});

describe("admission", () => {
  test("runs up to its slots, then by priority; load tells", async () => {
    const { agent, gates } = gatedAgent();
    const { host, start } = hostWith(agent, { slots: 1 });
    const priorities = ["normal", "low", "normal", "critical", "high"] as const;
    const runs = priorities.map((priority) => start({ priority, input: { args: [priority], kwargs: {} } }));
    await turn();
    expect(host.load()).toMatchObject({ running: 1, queued: 4, slots: 1 });
    for (let index = 0; index < priorities.length; index++) {
      gates[index]?.open();
      await turn();
    }
    expect(gates.map(({ input }) => input)).toEqual(["normal", "critical", "high", "normal", "low"]);
    expect((await Promise.all(runs.map(async ({ done }) => done))).map(codeOf)).toEqual(priorities.map(() => "final"));
    expect(host.load()).toMatchObject({ running: 0, queued: 0 });
  });

  test("a full queue refuses with the advice when to come back", async () => {
    const { agent } = gatedAgent();
    const { start, run } = hostWith(agent, { slots: 1, queueCountMax: 1 });
    start();
    start();
    const refused = await run();
    expect(codeOf(refused)).toBe("OVERLOADED");
    expect(refused[0]).toMatchObject({ error: { retryable: true, details: { queued: 1 } } });
    const advice = refused[0]?.type === "error" ? Number(refused[0].error.details["retryAfterMs"]) : Number.NaN;
    expect(advice).toBeGreaterThanOrEqual(100);
    expect(advice).toBeLessThanOrEqual(45_000);
  });

  test("the concurrency of a capability holds only its own tasks back", async () => {
    let most = 0;
    let running = 0;
    const agent = functionAgent({ name: "narrow" });
    const work = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await turn();
      running--;
    };
    agent.register("work", work, { concurrency: 2 });
    agent.register("other", () => "free");
    const { start, run } = hostWith(agent);
    const runs = Array.from({ length: 7 }, () => start());
    expect(codeOf(await run({ capability: "other" }))).toBe("final");
    await Promise.all(runs.map(async ({ done }) => done));
    expect(most).toBe(2);
  });

  test("the limit of a capability outlives changes of others", async () => {
    const { agent, gates } = gatedAgent();
    agent.register("narrow", async () => never, { concurrency: 1 });
    const { host, start } = hostWith(agent);
    start({ capability: "narrow" });
    await turn();
    agent.register("another", () => 1);
    start({ capability: "narrow" });
    start();
    await turn();
    expect([host.load().running, host.load().queued, gates.length]).toEqual([2, 1, 1]);
  });

  test("a waiting task leaves the queue when it is cancelled, too late, or left by its reader, and never runs", async () => {
    const { agent, gates } = gatedAgent();
    const { clock, host, start, request } = hostWith(agent, { slots: 1 });
    const controller = new AbortController();
    const first = start();
    const cancelled = start({ signal: controller.signal });
    const late = start({ deadlineAtMs: clock.nowMs() + 50 });
    const iterator = host.execute(request());
    const pending = iterator.next();
    await turn();
    expect(host.load().queued).toBe(3);
    controller.abort();
    expect(codeOf(await cancelled.done)).toBe("CANCELLED");
    await clock.advanceAsync(50);
    expect(codeOf(await late.done)).toBe("DEADLINE_EXCEEDED");
    await iterator.return?.();
    await pending;
    expect(host.load()).toMatchObject({ running: 1, queued: 0 });
    gates[0]?.open();
    expect(codeOf(await first.done)).toBe("final");
    expect(gates.length).toBe(1);
    expect(host.load()).toMatchObject({ running: 0, queued: 0 });
  });

  test("slots come back from agents that throw, hang, flood, or are left by their reader", async () => {
    const agent = functionAgent({ name: "wild" });
    agent.register("throw", () => {
      throw new Error("x");
    });
    agent.register("hang", () => never);
    agent.register("flood", function* () {
      for (;;) yield 1;
    });
    const { clock, host, run, start, request } = hostWith(agent);
    await run({ capability: "throw" });
    const hung = start({ capability: "hang", deadlineAtMs: clock.nowMs() + 10 });
    await clock.advanceAsync(10 + STOP_GRACE_MS);
    expect(codeOf(await hung.done)).toBe("DEADLINE_EXCEEDED");
    for await (const event of host.execute(request({ capability: "flood" }))) {
      if (event.type === "item") break;
    }
    // A reader that stalls for ever keeps its slot only until the deadline.
    const stalled = host.execute(request({ capability: "flood", deadlineAtMs: clock.nowMs() + 10 }));
    await stalled.next();
    expect(host.load().running).toBe(1);
    await clock.advanceAsync(10);
    expect(host.load()).toMatchObject({ running: 0, queued: 0 });
    expect((await stalled.next()).value).toMatchObject({ type: "error", error: { code: "DEADLINE_EXCEEDED" } });
    expect(clock.pendingCount).toBe(0);
  });

  test("nothing happens before the first pull", async () => {
    const { agent, gates } = gatedAgent();
    const { host, request } = hostWith(agent, { slots: 1 });
    const unread = host.execute(request());
    await turn();
    expect([gates.length, host.load().running]).toEqual([0, 0]);
    await unread.return?.();
    expect((await unread.next()).done).toBe(true);
  });
});

describe("stopping a task", () => {
  verifies("agents:contract:methods");

  test("a deadline, a cancellation and its reason reach the function as its signal", async () => {
    const reasons: unknown[] = [];
    const agent = functionAgent({ name: "listener" });
    const listen = async ({ signal }: TaskContext): Promise<never> =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reasons.push(signal.reason);
          reject(new Error("stopped"));
        });
      });
    agent.register("work", listen, { withContext: true });
    const { clock, start } = hostWith(agent);
    const late = start({ deadlineAtMs: clock.nowMs() + 100 });
    await clock.advanceAsync(100);
    expect(codeOf(await late.done)).toBe("DEADLINE_EXCEEDED");
    const controller = new AbortController();
    const cancelled = start({ signal: controller.signal });
    await turn();
    controller.abort(new EasynetError("CANCELLED", { subject: "the caller" }));
    expect(codeOf(await cancelled.done)).toBe("CANCELLED");
    expect(reasons).toMatchObject([{ code: "DEADLINE_EXCEEDED" }, { code: "CANCELLED" }]);
  });

  test("a deadline that has passed runs nothing", async () => {
    const agent = new FakeAgent();
    const { clock, run } = hostWith(agent);
    expect(codeOf(await run({ deadlineAtMs: clock.nowMs() - 1 }))).toBe("DEADLINE_EXCEEDED");
    expect(codeOf(await run({ signal: AbortSignal.abort() }))).toBe("CANCELLED");
    expect(agent.tasks).toEqual([]);
  });

  test("nothing of a task is left when it ended: no timer, no listener on the caller's signal", async () => {
    const { agent, gates } = gatedAgent();
    const { clock, start } = hostWith(agent);
    const { signal } = new AbortController();
    const task = start({ signal, deadlineAtMs: clock.nowMs() + 1000, budget: { timeMs: 500 } });
    await turn();
    expect([clock.pendingCount, getEventListeners(signal, "abort").length]).toEqual([2, 1]);
    gates[0]?.open();
    await task.done;
    expect([clock.pendingCount, getEventListeners(signal, "abort").length]).toEqual([0, 0]);
  });

  test("a deadline of more than 24 days, beyond what setTimeout takes, is one like any other", async () => {
    const { agent, gates } = gatedAgent();
    const { clock, host, start } = hostWith(agent);
    const task = start({ deadlineAtMs: clock.nowMs() + 2 ** 31 });
    await clock.advanceAsync(2 ** 31 - 1);
    expect(host.load().running).toBe(1);
    await clock.advanceAsync(1);
    gates[0]?.open();
    expect(codeOf(await task.done)).toBe("DEADLINE_EXCEEDED");
  });

  test("closing ends waiting tasks at once, lets running ones finish, and stops the rest after the grace", async () => {
    const { agent, gates } = gatedAgent();
    const { clock, host, start, run } = hostWith(agent, { slots: 2 });
    const [quick, slow, waiting] = [start(), start(), start()];
    await turn();
    let closed = false;
    const closing = host.close(1000).then(() => (closed = true));
    expect(codeOf(await waiting.done)).toBe("NODE_STOPPING");
    expect(codeOf(await run())).toBe("NODE_STOPPING");
    gates[0]?.open();
    expect(codeOf(await quick.done)).toBe("final");
    await clock.advanceAsync(999);
    expect(closed).toBe(false);
    await clock.advanceAsync(1 + STOP_GRACE_MS);
    await closing;
    expect(codeOf(await slow.done)).toBe("NODE_STOPPING");
    expect(gates.length).toBe(2);
  });

  test("closing an idle host needs no time", async () => {
    const { host, clock, run } = hostWith(new FakeAgent());
    await run();
    await host.close(1000);
    expect(clock.pendingCount).toBe(0);
  });
});

test("outcomes and broken contracts are counted", async () => {
  const script = (): AgentEvent[] => [
    { type: "final", value: 1, stop: "end" },
    { type: "delta", text: "late" },
  ];
  const { run, counts } = hostWith(new FakeAgent({ script }));
  await run();
  await run({ capability: "nope" });
  await run({ signal: AbortSignal.abort() });
  await turn();
  expect(Object.fromEntries(counts)).toEqual({
    "easynet_agent_tasks_total completed": 1,
    "easynet_agent_tasks_total failed": 1,
    "easynet_agent_tasks_total canceled": 1,
    "easynet_agent_misbehaviours_total event-after-end": 1,
  });
});
