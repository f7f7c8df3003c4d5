import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { EasynetError, silentLogger } from "../kernel/index.ts";
import { CountingMetrics, exchangePair, finalEvent, readAll } from "../testing/exchange-pair.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import { createExchanges } from "./exchanges.ts";
import type { IncomingExchange } from "./types.ts";

const echo = async (exchange: IncomingExchange): Promise<void> =>
  exchange.send(finalEvent(exchange.request.input.args[0]));

describe("a call that is stopped", () => {
  test("by its caller ends with the provider's last events", async () => {
    const { clock, provider, open } = exchangePair();
    provider.exchanges.serve(async (exchange) => {
      await exchange.send({ type: "delta", text: "working" });
      await new Promise((resolve) => exchange.signal.addEventListener("abort", resolve));
      await exchange.send({ type: "usage", calls: 1, basis: "measured" });
      await exchange.send({ type: "final", value: null, stop: "cancelled" });
    });
    const exchange = open();
    const outcome = readAll(exchange);
    await clock.advanceAsync(5);
    exchange.cancel("enough");
    await clock.advanceAsync(5);
    expect(outcome.events.map(({ type }) => type)).toEqual(["delta", "usage", "final"]);
    expect(outcome.done).toBe(true);
  });

  test("does not wait for a provider that hangs, and frees both sides", async () => {
    const { clock, caller, provider, open } = exchangePair();
    let reason: unknown;
    provider.exchanges.serve(
      (exchange) =>
        new Promise(() => {
          exchange.signal.addEventListener("abort", () => {
            reason = exchange.signal.reason;
          });
        }),
    );
    const controller = new AbortController();
    const outcome = readAll(open({}, controller.signal));
    await clock.advanceAsync(5);
    controller.abort();
    await clock.advanceAsync(1010);
    expect(outcome.error).toMatchObject({ code: "CANCELLED" });
    expect(reason).toMatchObject({ code: "CANCELLED" });
    await clock.advanceAsync(1010);
    expect([caller.exchanges.openCount, provider.exchanges.openCount]).toEqual([0, 0]);
  });

  test("before it was opened never leaves", () => {
    const { caller, open } = exchangePair();
    expect(() => open({}, AbortSignal.abort())).toThrow(expect.objectContaining({ code: "CANCELLED" }));
    expect(caller.exchanges.openCount).toBe(0);
  });

  test("because the consumer stopped reading stops the provider", async () => {
    const { clock, caller, provider, open } = exchangePair();
    let aborted = false;
    provider.exchanges.serve(async (exchange) => {
      await exchange.send({ type: "delta", text: "1" });
      await new Promise((resolve) => exchange.signal.addEventListener("abort", resolve));
      aborted = true;
    });
    const exchange = open();
    const readOne = async (): Promise<void> => {
      for await (const event of exchange) if (event.type === "delta") break;
    };
    void readOne();
    await clock.advanceAsync(10);
    expect(aborted).toBe(true);
    expect([caller.exchanges.openCount, provider.exchanges.openCount]).toEqual([0, 0]);
  });

  test("by its deadline ends on both sides, whatever their clocks say", async () => {
    const { clock, caller, provider, request } = exchangePair();
    const reasons: unknown[] = [];
    provider.exchanges.serve(
      (exchange) =>
        new Promise((resolve) => {
          exchange.signal.addEventListener("abort", () => {
            reasons.push(exchange.signal.reason);
            resolve();
          });
        }),
    );
    const deadlineAtMs = clock.nowMs() + 50;
    const outcome = readAll(caller.exchanges.open(provider.mesh.self, request({ envelope: { deadlineAtMs } })));
    await clock.advanceAsync(40);
    expect(outcome.error).toBeUndefined();
    await clock.advanceAsync(20);
    expect(outcome.error).toMatchObject({ code: "DEADLINE_EXCEEDED", details: { timeoutMs: 50 } });
    expect(reasons).toMatchObject([{ code: expect.stringMatching("DEADLINE_EXCEEDED|CANCELLED") }]);
    expect([caller.exchanges.openCount, provider.exchanges.openCount]).toEqual([0, 0]);
    await clock.advanceAsync(1100);
    expect(clock.pendingCount).toBe(0);
  });

  test("by a deadline in the past never leaves", () => {
    const { clock, open } = exchangePair();
    const deadlineAtMs = clock.nowMs();
    expect(() => open({ envelope: { deadlineAtMs } })).toThrow(expect.objectContaining({ code: "DEADLINE_EXCEEDED" }));
  });

  test("by the stop of a node ends with NODE_STOPPING on both sides", async () => {
    const { clock, caller, provider, open } = exchangePair();
    provider.exchanges.serve(() => new Promise(() => undefined));
    const first = readAll(open());
    await clock.advanceAsync(5);
    provider.exchanges.close();
    await clock.advanceAsync(5);
    expect(first.events).toMatchObject([{ type: "error", error: { code: "NODE_STOPPING" } }]);
    const second = readAll(open());
    caller.exchanges.close();
    await clock.advanceAsync(5);
    expect(second.error).toMatchObject({ code: "NODE_STOPPING" });
    expect(() => open()).toThrow(expect.objectContaining({ code: "NODE_STOPPING" }));
  });
});

describe("a link that ends", () => {
  verifies("messaging:reliable:error");

  test("under a running call is reported as PROVIDER_LOST and stops the provider", async () => {
    const { clock, network, caller, provider, open } = exchangePair();
    let reason: unknown;
    provider.exchanges.serve(async (exchange) => {
      exchange.signal.addEventListener("abort", () => {
        reason = exchange.signal.reason;
      });
      await exchange.send({ type: "delta", text: "begun" });
      await new Promise(() => undefined);
    });
    const exchange = open();
    const outcome = readAll(exchange);
    expect(exchange.answered).toBe(false);
    await clock.advanceAsync(5);
    network.cut(caller.mesh.self, provider.mesh.self);
    await clock.advanceAsync(5);
    expect(outcome.events).toEqual([{ type: "delta", text: "begun" }]);
    expect(outcome.error).toMatchObject({ code: "PROVIDER_LOST", retryable: false });
    expect(exchange.answered).toBe(true);
    expect(reason).toMatchObject({ code: "LINK_CLOSED" });
    expect([caller.exchanges.openCount, provider.exchanges.openCount]).toEqual([0, 0]);
  });

  test("before the whole input left is LINK_CLOSED, because nothing can have run", async () => {
    const { clock, network, caller, provider, open } = exchangePair();
    let served = 0;
    provider.exchanges.serve(async () => {
      served++;
    });
    const outcome = readAll(open({ input: { args: [new Uint8Array(2_000_000)], kwargs: {} } }));
    await clock.advanceAsync(1);
    network.cut(caller.mesh.self, provider.mesh.self);
    await clock.advanceAsync(5);
    expect(outcome.error).toMatchObject({ code: "LINK_CLOSED", retryable: true });
    expect(served).toBe(0);
  });

  test("or never was, refuses to open", () => {
    const { open } = exchangePair({ link: false });
    expect(() => open()).toThrow(expect.objectContaining({ code: "PEER_UNREACHABLE" }));
  });

  test("and comes back as another link ends what belonged to the first", async () => {
    const { clock, network, caller, provider, open } = exchangePair();
    provider.exchanges.serve(() => new Promise(() => undefined));
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    // The process is replaced before anybody noticed that it had gone.
    const reborn = network.join(provider.mesh.self, { epoch: 2 });
    createExchanges({ mesh: reborn, clock, logger: silentLogger, metrics: new CountingMetrics() }).serve(echo);
    network.link(reborn.self, caller.mesh.self);
    const again = readAll(open({ input: { args: [7], kwargs: {} } }));
    await clock.advanceAsync(5);
    expect(outcome.error).toMatchObject({ code: "PROVIDER_LOST" });
    expect(again.events).toEqual([finalEvent(7)]);
  });
});

describe("a provider's fault", () => {
  test("that is an EasynetError keeps its code", async () => {
    const { clock, provider, open } = exchangePair();
    provider.exchanges.serve(async () => {
      throw new EasynetError("OVERLOADED", { subject: "pool", queued: 3 });
    });
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    expect(outcome.events).toMatchObject([{ type: "error", error: { code: "OVERLOADED", details: { queued: 3 } } }]);
    expect(outcome.done).toBe(true);
  });

  test("of any other kind is INTERNAL, cut to size, and the node stays up", async () => {
    const { clock, provider, open } = exchangePair();
    provider.exchanges.serve(async () => {
      throw new TypeError("x".repeat(100_000));
    });
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    const [event] = outcome.events;
    expect(event).toMatchObject({ type: "error", error: { code: "INTERNAL" } });
    expect(JSON.stringify(event).length).toBeLessThan(5000);
  });

  test("to end without a result does not leave the caller waiting", async () => {
    const { clock, provider, open } = exchangePair();
    provider.exchanges.serve(async () => undefined);
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    expect(outcome.events).toMatchObject([{ type: "error", error: { code: "INTERNAL" } }]);
  });

  test("to offer nothing is said as such", async () => {
    const { clock, open } = exchangePair();
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    expect(outcome.events).toMatchObject([{ type: "error", error: { code: "CAPABILITY_UNKNOWN" } }]);
  });
});

describe("limits", () => {
  test("of open exchanges hold on both sides", async () => {
    const { clock, provider, open } = exchangePair({ limits: { outgoingPerPeerMax: 5, incomingPerPeerMax: 3 } });
    provider.exchanges.serve(() => new Promise(() => undefined));
    const outcomes = Array.from({ length: 5 }, () => readAll(open()));
    expect(() => open()).toThrow(expect.objectContaining({ code: "BACKPRESSURE" }));
    await clock.advanceAsync(5);
    const refused = outcomes.flatMap(({ events }) => events);
    expect(refused).toMatchObject([
      { type: "error", error: { code: "OVERLOADED", retryable: true } },
      { type: "error", error: { code: "OVERLOADED" } },
    ]);
  });

  test("give up a caller that reads nothing for a minute", async () => {
    const { clock, provider, open } = exchangePair();
    let reason: unknown;
    provider.exchanges.serve(async (exchange) => {
      exchange.signal.addEventListener("abort", () => {
        reason = exchange.signal.reason;
      });
      for (;;) await exchange.send({ type: "delta", text: "x".repeat(40_000) });
    });
    const exchange = open();
    await clock.advanceAsync(59_000);
    expect(reason).toBeUndefined();
    await clock.advanceAsync(2000);
    expect(reason).toMatchObject({ code: "BACKPRESSURE" });
    expect(provider.exchanges.openCount).toBe(0);
    const outcome = readAll(exchange);
    await clock.advanceAsync(5);
    expect(outcome.events.at(-1)).toMatchObject({ type: "error", error: { code: "BACKPRESSURE" } });
    expect(outcome.done).toBe(true);
  });

  test("give up a caller that never sends the rest of its input", async () => {
    const { clock, caller, provider, request } = exchangePair();
    let served = false;
    provider.exchanges.serve(async () => {
      served = true;
    });
    const send = caller.mesh.send.bind(caller.mesh);
    caller.mesh.send = (to, frame) => {
      return frame.type === FRAME_TYPES["exchange-input"] ? true : send(to, frame);
    };
    const input = { args: [new Uint8Array(60_000)], kwargs: {} };
    const outcome = readAll(caller.exchanges.open(provider.mesh.self, request({ input })));
    await clock.advanceAsync(61_000);
    expect(outcome.events).toMatchObject([{ type: "error", error: { code: "DEADLINE_EXCEEDED" } }]);
    expect(served).toBe(false);
    expect(provider.exchanges.openCount).toBe(0);
  });

  test("hold for an error in the middle of a large event: the caller gets only the error", async () => {
    const { clock, provider, open } = exchangePair();
    provider.exchanges.serve(async (exchange) => {
      void exchange.send({ type: "delta", text: "x".repeat(1_000_000) });
      throw new EasynetError("OVERLOADED", { subject: "pool", queued: 1 });
    });
    const outcome = readAll(open());
    await clock.advanceAsync(50);
    expect(outcome.events).toMatchObject([{ type: "error", error: { code: "OVERLOADED" } }]);
    expect(outcome.done).toBe(true);
  });
});
