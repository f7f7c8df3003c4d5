import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tries } from "../../../../test/quick.ts";
import { isEasynetError } from "../kernel/index.ts";
import type { AgentEvent } from "../model/index.ts";
import { decodeEvent, encodeEvent } from "./event-codec.ts";

const text = fc.string();
const amount = fc.double({ min: 0, max: 1e12, noNaN: true }).map((value) => value + 0);
const value = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null), fc.uint8Array(), fc.array(text));
const events: fc.Arbitrary<AgentEvent> = fc.oneof(
  fc.record({ type: fc.constant("delta" as const), text }),
  fc.record({ type: fc.constant("thought" as const), text }),
  fc.record({ type: fc.constant("item" as const), value }),
  fc.record(
    {
      type: fc.constant("tool" as const),
      id: text,
      name: text,
      status: fc.constantFrom("started" as const, "completed" as const, "failed" as const),
      input: value,
      output: value,
    },
    { requiredKeys: ["type", "id", "name", "status"] },
  ),
  fc.record({ type: fc.constant("ask" as const), id: text, question: text, options: fc.array(text) }),
  fc.record({
    type: fc.constant("artifact" as const),
    name: text,
    mediaType: text,
    data: fc.oneof(text, fc.uint8Array()),
  }),
  fc.record(
    {
      type: fc.constant("usage" as const),
      inputTokens: amount,
      outputTokens: amount,
      money: amount,
      calls: amount,
      basis: fc.constantFrom("reported" as const, "price-table" as const, "measured" as const, "unknown" as const),
    },
    { requiredKeys: ["type", "basis"] },
  ),
  fc.record(
    { type: fc.constant("final" as const), value, text, stop: fc.constantFrom("end" as const, "refusal" as const) },
    { requiredKeys: ["type", "value", "stop"] },
  ),
  fc.record({
    type: fc.constant("error" as const),
    error: fc.record({
      code: text,
      message: text,
      retryable: fc.boolean(),
      details: fc.dictionary(fc.stringMatching(/^[a-z]{1,9}$/), fc.oneof(text, fc.integer(), fc.boolean()), {
        maxKeys: 32,
        noNullPrototype: true,
      }),
    }),
  }),
);

/** False when anything but an event or a typed error comes out. */
function decodesOrRefuses(bytes: Uint8Array): boolean {
  let event: AgentEvent;
  try {
    event = decodeEvent(bytes);
  } catch (error) {
    return isEasynetError(error);
  }
  return encodeEvent(event).length > 0;
}

describe("the bytes of events", () => {
  test("give back every event as it was", () => {
    fc.assert(
      fc.property(events, (event) => {
        expect(decodeEvent(encodeEvent(event))).toEqual(event);
      }),
    );
  });

  test("that are anything else give a typed error and nothing more", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodesOrRefuses(bytes)).toBe(true);
      }),
      tries(2000),
    );
  });

  test("that were changed in one place never give an event of another shape", () => {
    fc.assert(
      fc.property(events, fc.nat(), fc.nat(255), (event, position, byte) => {
        const bytes = Uint8Array.from(encodeEvent(event));
        bytes[position % bytes.length] = byte;
        expect(decodesOrRefuses(bytes)).toBe(true);
      }),
      tries(1000),
    );
  });
});
