import { describe, expect, test } from "vitest";
import type { AgentEvent } from "../model/index.ts";
import { FakeAgent, fakeCapability } from "../testing/fake-agent.ts";
import { codeOf, gatedAgent, hostWith } from "../testing/host-fixture.ts";
import { STOP_GRACE_MS } from "./one-end.ts";

describe("budget", () => {
  const usage = (more: object): AgentEvent => ({ type: "usage", basis: "reported", ...more });
  const final: AgentEvent = { type: "final", value: "x", stop: "end" };
  const spending = (...events: readonly AgentEvent[]): FakeAgent => new FakeAgent({ script: () => [...events, final] });

  test.each([
    [
      "money",
      { budget: { money: 1, currency: "USD" }, event: usage({ money: 0.6 }), details: { limit: 1, unit: "USD" } },
    ],
    [
      "tokens",
      {
        budget: { tokens: 10 },
        event: usage({ inputTokens: 3, outputTokens: 3 }),
        details: { limit: 10, unit: "tokens" },
      },
    ],
    ["calls", { budget: { calls: 2 }, event: usage({ calls: 1 }), details: { limit: 2, unit: "calls" } }],
  ])("%s: what came is passed on, then it stops", async (_name, { budget, event, details }) => {
    const agent = spending(event, event, event);
    const { run } = hostWith(agent);
    const events = await run({ budget });
    expect(events.map(({ type }) => type)).toEqual(["usage", "usage", "error"]);
    expect(events.at(-1)).toMatchObject({ error: { code: "BUDGET_EXCEEDED", details } });
    expect(agent.contexts[0]?.signal.reason).toMatchObject({ code: "BUDGET_EXCEEDED" });
  });

  test("exactly the budget may be used", async () => {
    const { run } = hostWith(spending(usage({ money: 0.5, inputTokens: 10 }), usage({ money: 0.5 })));
    expect(codeOf(await run({ budget: { money: 1, currency: "USD", tokens: 10, calls: 1 } }))).toBe("final");
  });

  test("numbers that are none of usage's business change nothing", async () => {
    const { run } = hostWith(spending(usage({ money: -5, inputTokens: Number.NaN }), usage({ money: 1 })));
    expect(codeOf(await run({ budget: { money: 0.5 } }))).toBe("BUDGET_EXCEEDED");
  });

  test("a price per request counts before anything runs, in its own currency only", async () => {
    const cost = { baseCost: 2, scalingFactor: 1, unit: "per_request", currency: "credits" } as const;
    const agent = new FakeAgent({ capabilities: [fakeCapability("work", { cost })] });
    const { run } = hostWith(agent);
    expect(codeOf(await run({ budget: { money: 1 } }))).toBe("BUDGET_EXCEEDED");
    expect(codeOf(await run({ budget: { money: 100, currency: "USD" } }))).toBe("INVALID_ARGUMENT");
    expect(agent.tasks).toEqual([]);
    expect(codeOf(await run({ budget: { money: 2, currency: "credits" } }))).toBe("final");
    expect(codeOf(await run({ budget: { calls: 0 } }))).toBe("BUDGET_EXCEEDED");
  });

  test("time counts from the start of the work, on the clock", async () => {
    const { agent, gates } = gatedAgent();
    const { clock, start } = hostWith(agent, { slots: 1 });
    const first = start();
    const second = start({ budget: { timeMs: 100 } });
    await clock.advanceAsync(500);
    gates[0]?.open();
    expect(codeOf(await first.done)).toBe("final");
    await clock.advanceAsync(99);
    expect(second.events).toEqual([]);
    await clock.advanceAsync(1 + STOP_GRACE_MS);
    expect((await second.done).at(-1)).toMatchObject({
      error: { code: "BUDGET_EXCEEDED", details: { limit: 100, unit: "ms" } },
    });
  });
});
