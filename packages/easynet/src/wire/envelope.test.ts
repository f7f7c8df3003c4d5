import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { type EasynetError, isEasynetError } from "../kernel/index.ts";
import { generateKeyPair } from "../identity/index.ts";
import { PRIORITIES } from "../model/index.ts";
import { encodeValue } from "./codec.ts";
import { decodeEnvelope, encodeEnvelope, envelopeFromArray, envelopeToArray } from "./envelope.ts";
import type { Envelope } from "./envelope-types.ts";
import { LANES } from "./lanes.ts";

verifies("messaging:envelope:fields");

const DIDS = Array.from({ length: 5 }, () => generateKeyPair().did);
const did = fc.constantFrom(...DIDS);
const label = fc.string({ minLength: 1, maxLength: 64 });
const amount = fc.double({ min: 0, max: 1e12, noNaN: true });
const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const hex = (length: number): fc.Arbitrary<string> =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef".split("")), { minLength: length, maxLength: length })
    .map((all) => all.join(""));

const envelope: fc.Arbitrary<Envelope> = fc
  .record(
    {
      id: fc.uuid({ version: 7 }),
      from: did,
      to: did,
      kind: label,
      trace: fc.tuple(hex(32), hex(16)).map(([trace, span]) => `00-${trace}-${span}-01`),
      cause: fc.uuid({ version: 7 }),
      session: label,
      createdAtMs: fc.integer({ min: 0, max: 8.64e15 }),
      deadlineAtMs: fc.double({ min: 0, max: 8.64e15, noNaN: true }),
      priority: fc.constantFrom(...PRIORITIES),
      hopsLeft: fc.integer({ min: 0, max: 16 }),
      depth: fc.integer({ min: 0, max: 255 }),
      budget: fc.record(
        { money: amount, currency: fc.constantFrom("USD", "credits"), tokens: count, calls: count, timeMs: amount },
        { requiredKeys: [] },
      ),
      grant: fc.uint8Array({ maxLength: 100 }),
      lane: fc.constantFrom(...LANES),
      sequence: count,
      epoch: count,
    },
    {
      requiredKeys: ["id", "from", "kind", "createdAtMs", "priority", "hopsLeft", "depth", "lane", "sequence", "epoch"],
    },
  )
  // fast-check builds objects without a prototype.
  .map((each) => ({ ...each, ...(each.budget && { budget: { ...each.budget } }) }));

function failure(run: () => unknown): EasynetError | undefined {
  try {
    run();
  } catch (error) {
    if (isEasynetError(error)) return error;
    throw error;
  }
  return undefined;
}

const [FROM = "", TO = ""] = DIDS;
const GOOD: Envelope = {
  id: "0190f2f0-aaaa-7bbb-8ccc-0123456789ab",
  from: FROM,
  to: TO,
  kind: "task",
  createdAtMs: 1_700_000_000_000,
  priority: "normal",
  hopsLeft: 3,
  depth: 0,
  lane: "normal",
  sequence: 1,
  epoch: 1,
};

function withPosition(position: number, value: unknown): unknown[] {
  const fields = envelopeToArray(GOOD);
  fields[position] = value;
  return fields;
}

describe("an envelope", () => {
  test("comes back with every field, and absent ones absent", () => {
    fc.assert(
      fc.property(envelope, (original) => {
        expect(decodeEnvelope(encodeEnvelope(original))).toStrictEqual(original);
      }),
    );
  });

  test("of a newer minor version is read: positions beyond the known ones are ignored", () => {
    const fields = [...envelopeToArray(GOOD), "new field", { another: 1 }];
    expect(decodeEnvelope(encodeValue(fields))).toStrictEqual(GOOD);
  });

  test("may hold 64-bit integers, as other languages write them", () => {
    const fields = withPosition(7, 1_700_000_000_000n);
    fields[15] = 2n ** 40n;
    expect(decodeEnvelope(encodeValue(fields))).toStrictEqual({ ...GOOD, sequence: 2 ** 40 });
  });

  test.for([
    { position: 0, values: [null, 5, "", "x".repeat(129)] },
    { position: 1, values: [null, "somebody", "did:web:example.org", `${TO}x`] },
    { position: 2, values: [7, "did:key:z6Mk"] },
    { position: 3, values: [null, "", 1] },
    { position: 4, values: ["not a trace", 1, `00-${"0".repeat(32)}-${"0".repeat(16)}`] },
    { position: 5, values: [1, "x".repeat(129)] },
    { position: 6, values: [{}, "x".repeat(129)] },
    { position: 7, values: [null, -1, Number.NaN, Infinity, 9e15, "now"] },
    { position: 8, values: [-1, "soon", 9e15] },
    { position: 9, values: [null, 4, -1, 0.5, "normal"] },
    { position: 10, values: [null, 17, -1, 0.5] },
    { position: 11, values: [null, 256, -1] },
    { position: 12, values: [5, {}, [-1], [1, 2], [1, "USD", 0.5]] },
    { position: 13, values: ["text", [], new Uint8Array(65 * 1024)] },
    { position: 14, values: [null, 4, "normal"] },
    { position: 15, values: [null, -1, 2 ** 53, 1.5, 2n ** 64n] },
    { position: 16, values: [null, -1, 2 ** 53] },
  ])(
    "with a wrong value at position $position is refused, and the error names the position",
    ({ position, values }) => {
      for (const value of values) {
        const error = failure(() => envelopeFromArray(withPosition(position, value)));
        expect(error?.code).toBe("FRAME_MALFORMED");
        expect(error?.message).toContain(`position ${position} `);
      }
    },
  );

  test("that is not an array, or too short, is refused", () => {
    for (const value of [null, {}, "envelope", [], envelopeToArray(GOOD).slice(0, 16)]) {
      expect(failure(() => envelopeFromArray(value))?.code).toBe("FRAME_MALFORMED");
    }
  });
});
