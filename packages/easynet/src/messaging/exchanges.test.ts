import { describe, expect, test } from "vitest";
import { silentLogger } from "../kernel/index.ts";
import type { AgentEvent } from "../model/index.ts";
import { CountingMetrics, exchangePair, finalEvent, readAll } from "../testing/exchange-pair.ts";
import { fakeDid } from "../testing/index.ts";
import { createExchanges } from "./exchanges.ts";
import type { ExchangeRequest, IncomingExchange } from "./types.ts";

const echo = async (exchange: IncomingExchange): Promise<void> =>
  exchange.send(finalEvent(exchange.request.input.args[0]));

describe("a small call", () => {
  test("is one frame out and one frame back, and sets no timer", async () => {
    const { clock, network, provider, open } = exchangePair();
    provider.exchanges.serve(echo);
    const outcome = readAll(open({ input: { args: ["hello"], kwargs: {} } }));
    expect(clock.pendingCount).toBe(1); // The frame on its way.
    await clock.advanceAsync(2);
    expect(outcome).toEqual({ events: [finalEvent("hello")], done: true });
    expect(network.deliveredCount).toBe(2);
    expect(clock.pendingCount).toBe(0);
  });

  test("brings the whole request to the provider", async () => {
    const { clock, provider, open } = exchangePair();
    let seen: ExchangeRequest | undefined;
    provider.exchanges.serve(async (exchange) => {
      seen = exchange.request;
      await exchange.send(finalEvent(null));
    });
    readAll(
      open({
        agent: "did:key:agent",
        input: { args: [1, "zwei", new Uint8Array([3])], kwargs: { deep: { list: [null, true] } } },
        extras: { turns: [{ role: "user", text: "你好" }] },
        envelope: { session: "s1", budget: { money: 1, currency: "EUR" } },
      }),
    );
    await clock.advanceAsync(2);
    expect(seen).toMatchObject({
      agent: "did:key:agent",
      capability: "work",
      input: { args: [1, "zwei", new Uint8Array([3])], kwargs: { deep: { list: [null, true] } } },
      extras: { turns: [{ role: "user", text: "你好" }] },
      envelope: { session: "s1", budget: { money: 1, currency: "EUR" }, kind: "task" },
    });
  });

  test("answers a thousand at once, each with its own value", async () => {
    const { clock, caller, provider, open } = exchangePair();
    provider.exchanges.serve(echo);
    const outcomes = Array.from({ length: 1000 }, (_, index) =>
      readAll(open({ input: { args: [index], kwargs: {} } })),
    );
    await clock.advanceAsync(5);
    expect(outcomes.map(({ events }) => events[0])).toEqual(outcomes.map((_, index) => finalEvent(index)));
    expect([caller.exchanges.openCount, provider.exchanges.openCount]).toEqual([0, 0]);
  });

  test("takes the high lane when it is urgent", async () => {
    const { clock, caller, provider, open } = exchangePair();
    const lanes: string[] = [];
    const send = caller.mesh.send.bind(caller.mesh);
    caller.mesh.send = (...values) => {
      lanes.push(values[1].lane);
      return send(...values);
    };
    provider.exchanges.serve(echo);
    for (const priority of ["critical", "high", "normal", "low"] as const) readAll(open({ envelope: { priority } }));
    await clock.advanceAsync(2);
    expect(lanes).toEqual(["high", "high", "normal", "normal"]);
  });
});

describe("events", () => {
  const all: AgentEvent[] = [
    { type: "delta", text: "a" },
    { type: "thought", text: "b" },
    { type: "item", value: { n: [1n, null] } },
    { type: "tool", id: "1", name: "grep", status: "started", input: null },
    { type: "tool", id: "1", name: "grep", status: "completed", output: { hits: 2 } },
    { type: "ask", id: "q", question: "which?", options: ["x", "y"] },
    { type: "artifact", name: "f", mediaType: "text/plain", data: "text" },
    { type: "artifact", name: "g", mediaType: "image/png", data: new Uint8Array([1, 2]) },
    { type: "usage", inputTokens: 1, money: 0.5, basis: "measured" },
    { type: "usage", outputTokens: 0, calls: 3, basis: "unknown" },
    { type: "final", value: 1, text: "one", stop: "max-tokens" },
  ];

  test("of every kind arrive as they were sent, in order", async () => {
    const { clock, provider, open } = exchangePair();
    provider.exchanges.serve(async (exchange) => {
      for (const event of all) await exchange.send(event);
    });
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    expect(outcome).toEqual({ events: all, done: true });
  });

  test("after the last one are dropped and counted", async () => {
    const { clock, provider, open } = exchangePair();
    provider.exchanges.serve(async (exchange) => {
      await exchange.send(finalEvent(1));
      await exchange.send(finalEvent(2));
      await exchange.send({ type: "delta", text: "late" });
    });
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    expect(outcome).toEqual({ events: [finalEvent(1)], done: true });
    expect(provider.metrics.counts.get("easynet_exchange_events_dropped_total")).toBe(2);
  });

  test("wait for a caller that does not read, without bound on their number", async () => {
    const { clock, provider, open } = exchangePair();
    let sent = 0;
    provider.exchanges.serve(async (exchange) => {
      for (; sent < 10_000; sent++) await exchange.send({ type: "delta", text: "x".repeat(100) });
      await exchange.send(finalEvent(sent));
    });
    const exchange = open();
    await clock.advanceAsync(100);
    expect(sent).toBeLessThan(2000);
    const outcome = readAll(exchange);
    await clock.advanceAsync(1000);
    expect(outcome.events.length).toBe(10_001);
    expect(outcome.done).toBe(true);
  });

  test("keep their order when the handler does not wait for them", async () => {
    const { clock, provider, open } = exchangePair();
    const sizes = [10, 300_000, 20, 100_000, 5];
    provider.exchanges.serve(async (exchange) => {
      const sending = sizes.map((size) => exchange.send({ type: "delta", text: "y".repeat(size) }));
      void exchange.send(finalEvent("end"));
      await Promise.all(sending);
    });
    const outcome = readAll(open());
    await clock.advanceAsync(500);
    expect(outcome.events.map((event) => (event.type === "delta" ? event.text.length : event.type))).toEqual([
      ...sizes,
      "final",
    ]);
  });
});

describe("large values", () => {
  test("travel in parts both ways, far beyond the window", async () => {
    const { clock, caller, provider, open } = exchangePair({ laneBytesHigh: 100_000 });
    provider.exchanges.serve(echo);
    const big = new Uint8Array(3_000_000).map((_, index) => index % 251);
    const outcome = readAll(open({ input: { args: [big], kwargs: {} } }));
    await clock.advanceAsync(2000);
    expect(outcome.done).toBe(true);
    expect(outcome.events).toEqual([finalEvent(big)]);
    expect([caller.exchanges.openCount, provider.exchanges.openCount]).toEqual([0, 0]);
  });

  test("let small calls of the same lane through", async () => {
    const { clock, provider, open } = exchangePair({ laneBytesHigh: 64_000 });
    provider.exchanges.serve(echo);
    const big = readAll(open({ input: { args: [new Uint8Array(5_000_000)], kwargs: {} } }));
    const small = readAll(open({ input: { args: ["small"], kwargs: {} } }));
    await clock.advanceAsync(3);
    expect(small.done).toBe(true);
    expect(big.done).toBeUndefined();
  });

  test("above the limit of an input are refused before anything is sent", () => {
    const { network, caller, open } = exchangePair({ limits: { inputBytesMax: 100_000 } });
    expect(() => open({ input: { args: [new Uint8Array(100_001)], kwargs: {} } })).toThrow(
      expect.objectContaining({ code: "INPUT_TOO_LARGE" }),
    );
    expect(caller.exchanges.openCount).toBe(0);
    expect(network.deliveredCount).toBe(0);
  });

  test("above the provider's limit of an input end with INPUT_TOO_LARGE", async () => {
    const { clock, network, caller, request } = exchangePair();
    const mesh = network.join(fakeDid(3));
    const strict = createExchanges({
      mesh,
      clock,
      logger: silentLogger,
      metrics: new CountingMetrics(),
      limits: { inputBytesMax: 100_000 },
    });
    strict.serve(echo);
    network.link(caller.mesh.self, mesh.self);
    const input = { args: [new Uint8Array(1_000_000)], kwargs: {} };
    const outcome = readAll(caller.exchanges.open(mesh.self, request({ input })));
    await clock.advanceAsync(500);
    expect(outcome.events).toMatchObject([{ type: "error", error: { code: "INPUT_TOO_LARGE" } }]);
    expect(outcome.done).toBe(true);
    expect(strict.openCount).toBe(0);
  });

  test("above the limit of an event end with RESULT_TOO_LARGE on both sides", async () => {
    const { clock, provider, open } = exchangePair({ limits: { eventBytesMax: 100_000 } });
    let failure: unknown;
    provider.exchanges.serve(async (exchange) => {
      try {
        await exchange.send(finalEvent(new Uint8Array(100_001)));
      } catch (error) {
        failure = error;
      }
    });
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    expect(failure).toMatchObject({ code: "RESULT_TOO_LARGE" });
    expect(outcome.events).toMatchObject([{ type: "error", error: { code: "RESULT_TOO_LARGE" } }]);
  });

  test("of all exchanges together are bounded", async () => {
    const { clock, provider, open } = exchangePair({ limits: { assemblyBytesMax: 500_000 } });
    provider.exchanges.serve(echo);
    const outcomes = [1, 2].map(() => readAll(open({ input: { args: [new Uint8Array(400_000)], kwargs: {} } })));
    await clock.advanceAsync(1000);
    const codes = outcomes.map(({ events }) =>
      events.map((event) => (event.type === "error" ? event.error.code : event.type)),
    );
    expect(codes.flat()).toContain("OVERLOADED");
    const again = readAll(open({ input: { args: [new Uint8Array(400_000)], kwargs: {} } }));
    await clock.advanceAsync(1000);
    expect(again.done).toBe(true);
    expect(again.events).toMatchObject([{ type: "final" }]);
  });

  test("that cannot be encoded are refused on either side", async () => {
    const { clock, provider, open } = exchangePair();
    expect(() => open({ input: { args: [Symbol("no")], kwargs: {} } })).toThrow(
      expect.objectContaining({ code: "INPUT_INVALID" }),
    );
    const circular: unknown[] = [];
    circular.push(circular);
    provider.exchanges.serve((exchange) => exchange.send(finalEvent(circular)));
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    expect(outcome.events).toMatchObject([{ type: "error", error: { code: "OUTPUT_INVALID" } }]);
  });
});
