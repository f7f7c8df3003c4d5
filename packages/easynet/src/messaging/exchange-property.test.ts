import * as fc from "fast-check";
import { expect, test } from "vitest";
import { tries } from "../../../../test/quick.ts";
import type { AgentEvent } from "../model/index.ts";
import { exchangePair, finalEvent, readAll } from "../testing/exchange-pair.ts";
import { WINDOW_BYTES_MIN } from "./limits.ts";

const scenario = fc.record({
  inputBytes: fc.nat(400_000),
  eventBytes: fc.array(fc.nat(200_000), { maxLength: 12 }),
  windowBytes: fc.integer({ min: WINDOW_BYTES_MIN, max: 300_000 }),
  laneBytesHigh: fc.integer({ min: 10_000, max: 500_000 }),
  latencyMs: fc.integer({ min: 0, max: 20 }),
  pauseMs: fc.nat(30),
  waits: fc.boolean(),
});

test("whatever the sizes, windows and speeds are, all events arrive once and in order, and nothing stays behind", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ inputBytes, eventBytes, pauseMs, waits, windowBytes, ...network }) => {
      const limits = { windowBytes };
      const { clock, caller, provider, open } = exchangePair({ limits, ...network });
      const sent: AgentEvent[] = eventBytes.map((bytes, index) => ({ type: "delta", text: `${index}`.padEnd(bytes) }));
      provider.exchanges.serve(async (exchange) => {
        expect(exchange.request.input.args[0]).toHaveLength(inputBytes);
        const sending: Promise<void>[] = [];
        for (const event of sent) {
          const sentOne = exchange.send(event);
          if (waits) await sentOne;
          else sending.push(sentOne);
        }
        await Promise.all([...sending, exchange.send(finalEvent("end"))]);
      });
      const opened = open({ input: { args: [new Uint8Array(inputBytes)], kwargs: {} } });
      const slowly = async function* (): AsyncGenerator<AgentEvent> {
        for await (const event of opened) {
          yield event;
          await new Promise<void>((resolve) => {
            clock.setTimer(pauseMs, resolve);
          });
        }
      };
      const outcome = readAll(slowly());
      await clock.advanceAsync(20_000);
      // Lengths and first characters only: a difference of whole texts is unreadable.
      const short = (event: AgentEvent): unknown =>
        event.type === "delta" ? [event.text.length, event.text.slice(0, 3)] : event;
      expect(outcome.events.map(short)).toEqual([...sent, finalEvent("end")].map(short));
      expect(outcome.done).toBe(true);
      expect([caller.exchanges.openCount, provider.exchanges.openCount]).toEqual([0, 0]);
    }),
    tries(60),
  );
});
