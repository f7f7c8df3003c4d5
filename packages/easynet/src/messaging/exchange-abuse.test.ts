import { describe, expect, test } from "vitest";
import { exchangePair, finalEvent, readAll } from "../testing/exchange-pair.ts";
import { encodeValue, envelopeToArray, FRAME_TYPES } from "../wire/index.ts";

describe("frames of a peer that breaks the rules", () => {
  const types = {
    open: FRAME_TYPES["exchange-open"],
    input: FRAME_TYPES["exchange-input"],
    event: FRAME_TYPES["exchange-event"],
    credit: FRAME_TYPES["exchange-credit"],
    cancel: FRAME_TYPES["exchange-cancel"],
  };

  test("with numbers that nobody knows are dropped and counted", async () => {
    const { clock, caller, provider } = exchangePair();
    for (const type of [types.input, types.event, types.credit, types.cancel]) {
      caller.mesh.send(provider.mesh.self, { lane: "normal", type, correlation: 77, body: encodeValue(1) });
    }
    await clock.advanceAsync(5);
    expect(provider.metrics.counts.get("easynet_exchange_frames_dropped_total unknown")).toBe(4);
  });

  test("with an opening that is no opening get FRAME_MALFORMED back", async () => {
    const { clock, caller, provider } = exchangePair();
    const answers: number[] = [];
    caller.mesh.handle(types.event, ({ correlation }) => {
      answers.push(correlation);
    });
    const bodies = [new Uint8Array([0xc1]), encodeValue(1), encodeValue([]), encodeValue([[], null, "x", null, []])];
    bodies.forEach((body, index) => {
      caller.mesh.send(provider.mesh.self, { lane: "normal", type: types.open, correlation: index + 1, body });
    });
    await clock.advanceAsync(5);
    expect(answers).toEqual([1, 2, 3, 4]);
    expect(provider.metrics.counts.get("easynet_exchanges_refused_total FRAME_MALFORMED")).toBe(4);
    expect(provider.exchanges.openCount).toBe(0);
  });

  test.each([
    ["bytes that do not decode", new Uint8Array([0xc1])],
    ["no array", encodeValue({ type: "final" })],
    ["an unknown type", encodeValue([99, 1])],
    ["a delta without text", encodeValue([1, 5])],
    ["a final without stop", encodeValue([8, 1, null, "whenever"])],
    ["an error with nested details", encodeValue([9, "X", "m", false, { a: { b: 1 } }])],
    ["a usage below zero", encodeValue([7, -1, null, null, null, "measured"])],
  ])("with an event that is %s end with PROVIDER_MISBEHAVED", async (_, body) => {
    const { clock, caller, provider, open } = exchangePair();
    provider.mesh.handle(types.open, ({ correlation, lane }) => {
      provider.mesh.send(caller.mesh.self, { lane, type: types.event, correlation, body });
    });
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    expect(outcome.error).toMatchObject({ code: "PROVIDER_MISBEHAVED" });
    expect(caller.exchanges.openCount).toBe(0);
    expect(caller.metrics.counts.get("easynet_exchanges_ended_total caller misbehaved")).toBe(1);
  });

  test("that ignore credits are cut", async () => {
    const { clock, caller, provider, open } = exchangePair();
    provider.mesh.handle(types.open, ({ correlation, lane }) => {
      const body = encodeValue([1, "x".repeat(40_000)]);
      for (let count = 0; count < 20; count++) {
        provider.mesh.send(caller.mesh.self, { lane, type: types.event, correlation, body });
      }
    });
    const exchange = open();
    await clock.advanceAsync(5);
    const outcome = readAll(exchange);
    await clock.advanceAsync(5);
    expect(outcome.events.length).toBeLessThan(8);
    expect(outcome.error).toMatchObject({ code: "PROVIDER_MISBEHAVED" });
  });

  test("that open the same number twice disturb only themselves", async () => {
    const { clock, caller, provider, open } = exchangePair();
    const send = caller.mesh.send.bind(caller.mesh);
    caller.mesh.send = (to, frame) => {
      send(to, frame);
      return send(to, frame);
    };
    let served = 0;
    provider.exchanges.serve(async (exchange) => {
      served++;
      await new Promise<void>((resolve) => {
        clock.setTimer(3, resolve);
      });
      await exchange.send(finalEvent(served));
    });
    const outcome = readAll(open());
    await clock.advanceAsync(10);
    expect(outcome.events).toEqual([finalEvent(1)]);
    expect(provider.metrics.counts.get("easynet_exchange_frames_dropped_total duplicate")).toBe(1);
  });
});

describe("the opening of a stored task", () => {
  const type = FRAME_TYPES["exchange-open"];

  test.each([[7], [[]], [[1, 0]], [[true]], [[true, -1]], [[true, 0.5]], [[true, "0"]]])(
    "that says %j is refused",
    async (task) => {
      const { clock, caller, provider, request } = exchangePair();
      let served = 0;
      provider.exchanges.serve(async () => {
        served++;
      });
      const head = [envelopeToArray(request().envelope), null, "work", null, [[], {}]];
      caller.mesh.send(provider.mesh.self, {
        lane: "normal",
        type,
        correlation: 1,
        body: encodeValue([...head, task]),
      });
      await clock.advanceAsync(5);
      expect(served).toBe(0);
      expect(provider.metrics.counts.get("easynet_exchanges_refused_total FRAME_MALFORMED")).toBe(1);
    },
  );

  test("reaches the provider as it was, and a live one stays as it was before", async () => {
    const { clock, provider, open } = exchangePair();
    const tasks: unknown[] = [];
    provider.exchanges.serve(async (exchange) => {
      tasks.push(exchange.request.task);
      await exchange.send(finalEvent(1));
    });
    open({ task: { start: true, cursor: 0 } });
    open({ task: { start: false, cursor: 9 }, input: { args: [new Uint8Array(300_000)], kwargs: {} } });
    open();
    await clock.advanceAsync(20);
    expect(tasks).toHaveLength(3);
    expect(tasks).toEqual(expect.arrayContaining([{ start: true, cursor: 0 }, { start: false, cursor: 9 }, undefined]));
  });

  test("an acceptance that nobody asked for breaks the protocol", async () => {
    const { clock, provider, open } = exchangePair();
    provider.exchanges.serve(async (exchange) => {
      exchange.accept(0);
      await exchange.send(finalEvent(1));
    });
    const outcome = readAll(open());
    await clock.advanceAsync(5);
    expect(outcome.error).toMatchObject({ code: "PROVIDER_MISBEHAVED" });
  });
});
