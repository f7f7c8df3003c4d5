import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createId, formatId, isEasynetError } from "../../kernel/index.ts";
import { PRIORITIES } from "../../model/index.ts";
import { decodeReports, encodeReports } from "./ack-codec.ts";
import { BatchBuilder } from "./batch-builder.ts";
import { DURABILITIES, PREFIX_BYTES } from "./batch-layout.ts";
import { BATCH_FRAME_BYTES_MAX, readBatch, readPrefix, writePrefix } from "./batch-reader.ts";
import { checkMessage } from "./check-message.ts";
import { BATCH_BYTES_MAX, NUMBER_MAX, PAYLOAD_BYTES_MAX } from "./limits.ts";
import type { OutgoingMessage } from "./types.ts";

const text = fc.string({ unit: "binary", maxLength: 60 }).filter((value) => value.isWellFormed());
const id = fc.integer({ min: 0, max: 2 ** 47 }).map((nowMs) => createId(nowMs));
const message: fc.Arbitrary<OutgoingMessage> = fc.record(
  {
    kind: fc.constantFrom("status-update", "emergency", "命令", "x"),
    payload: fc.uint8Array({ maxLength: 300 }),
    id,
    priority: fc.constantFrom(...PRIORITIES),
    durability: fc.constantFrom(...DURABILITIES),
    expiresInMs: fc.integer({ min: 1, max: 10_000_000 }),
    correlationId: id,
    trace: text,
    cause: text,
    session: text,
    from: text,
    to: text,
  },
  { requiredKeys: ["kind", "payload"] },
);

function built(messages: readonly OutgoingMessage[]): { readonly batch: Buffer; readonly ids: readonly string[] } {
  const builder = new BatchBuilder({ epoch: 7, lane: 2, first: 100, sentAtMs: 1_700_000_000_000 });
  const offsets = messages.map((item) => builder.add(checkMessage(item)));
  const frame = builder.seal();
  return { batch: frame.subarray(PREFIX_BYTES), ids: offsets.map((offset) => formatId(frame, offset)) };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return isEasynetError(error) ? error.code : `not ours: ${String(error)}`;
  }
  return "none";
}

describe("a batch", () => {
  test("reads as it was written: every field of every message", () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (messages) => {
        const { batch, ids } = built(messages);
        const read = readBatch(batch);
        expect(read).toMatchObject({ epoch: 7, lane: 2, first: 100, count: messages.length });
        const strongest = Math.max(...messages.map(({ durability = "disk" }) => DURABILITIES.indexOf(durability)));
        expect(read.durability).toBe(strongest);
        const seen = read.messages.map((item) => ({ ...item, id: formatId(item.id) }));
        for (const [index, sent] of messages.entries()) {
          const { trace, cause, session, from, to } = sent;
          const texts = [trace, cause, session, from, to];
          expect(seen[index]).toMatchObject({
            kind: sent.kind,
            payload: sent.payload,
            lifetimeMs: sent.expiresInMs ?? 300_000,
            id: sent.id ?? ids[index],
            texts: texts.some((value) => value !== undefined) ? texts : [],
          });
          const correlation = seen[index]?.correlationId;
          expect(correlation && formatId(correlation)).toBe(sent.correlationId);
        }
      }),
    );
  });

  test("stops growing at its limit and still takes one message of any size", () => {
    const builder = new BatchBuilder({ epoch: 1, lane: 0, first: 1, sentAtMs: 0 });
    const small = checkMessage({ kind: "k", payload: new Uint8Array(1000) });
    while (builder.fits(small)) builder.add(small);
    expect(builder.byteLength).toBeLessThanOrEqual(BATCH_BYTES_MAX);
    expect(builder.byteLength).toBeGreaterThan(BATCH_BYTES_MAX - 1100);
    const large = new BatchBuilder({ epoch: 1, lane: 0, first: 1, sentAtMs: 0 });
    const texts = { trace: "t".repeat(255), cause: "c".repeat(255), session: "s".repeat(255) };
    const all = { ...texts, from: "f".repeat(255), to: "t".repeat(255), correlationId: createId(0) };
    const payload = new Uint8Array(PAYLOAD_BYTES_MAX).fill(3);
    large.add(checkMessage({ kind: "k".repeat(128), payload, ...all }));
    expect(large.fits(small)).toBe(false);
    const frame = large.seal();
    expect(frame.length).toBe(BATCH_FRAME_BYTES_MAX);
    expect(readBatch(frame.subarray(PREFIX_BYTES)).messages[0]?.payload).toEqual(payload);
  });

  test("of which any byte or its length was changed is read, or refused with a typed error", () => {
    const messages = [
      { kind: "a", payload: Uint8Array.of(1, 2, 3), trace: "t" },
      { kind: "b", payload: new Uint8Array(40), correlationId: createId(5) },
    ];
    const { batch } = built(messages);
    fc.assert(
      fc.property(fc.nat(batch.length - 1), fc.nat(255), fc.nat(batch.length), (at, value, length) => {
        const shortened = Buffer.from(batch.subarray(0, length));
        expect(codeOf(() => readBatch(shortened))).toBe(length < batch.length ? "FRAME_MALFORMED" : "none");
        // Shortened and with its length field changed to suit, it may be another, well-formed batch.
        const damaged = Buffer.from(shortened);
        if (at < damaged.length) damaged[at] = value;
        expect(["none", "FRAME_MALFORMED"]).toContain(codeOf(() => readBatch(damaged)));
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (noise) => {
        expect(["none", "FRAME_MALFORMED"]).toContain(codeOf(() => readBatch(Buffer.from(noise))));
        expect(["none", "FRAME_MALFORMED"]).toContain(codeOf(() => readPrefix(Buffer.from(noise))));
        expect(["none", "FRAME_MALFORMED"]).toContain(codeOf(() => decodeReports(noise)));
      }),
    );
  });

  test("is preceded by its age and by what it comes after", () => {
    const number = fc.integer({ min: 0, max: NUMBER_MAX });
    fc.assert(
      fc.property(number, number, number, (ageMs, epoch, sequence) => {
        const { batch } = built([{ kind: "k", payload: new Uint8Array(1) }]);
        const frame = Buffer.concat([new Uint8Array(PREFIX_BYTES), batch]);
        writePrefix(frame, { ageMs, after: { epoch, sequence } });
        expect(readPrefix(frame)).toEqual({ ageMs, after: { epoch, sequence } });
      }),
    );
    expect(codeOf(() => readPrefix(Buffer.alloc(BATCH_FRAME_BYTES_MAX + 1)))).toBe("FRAME_TOO_LARGE");
  });

  test("has these bytes", () => {
    const { batch } = built([
      { kind: "ab", payload: Uint8Array.of(9), id: "01890a5d-ac96-774b-bcce-b302099a8057", expiresInMs: 1000, to: "c" },
    ]);
    expect(batch.toString("hex")).toBe(
      "01020207000000000064000000000001000068e5cf8b01" +
        "2000026162e80300000000" +
        "01890a5dac96774bbcceb302099a8057" +
        "0163" +
        "0100000009",
    );
    const report = { lane: 3, position: { epoch: 2, sequence: 500 }, windowBytes: 4096 };
    expect(Buffer.from(encodeReports([report])).toString("hex")).toBe("0103020000000000f40100000000001000000000");
    expect(decodeReports(encodeReports([report]))).toEqual([report]);
  });
});

describe("a message", () => {
  test.each([
    ["no kind", { kind: "" }, "INVALID_ARGUMENT"],
    ["a long kind", { kind: "k".repeat(129) }, "INVALID_ARGUMENT"],
    ["a payload above 256 KiB", { payload: new Uint8Array(PAYLOAD_BYTES_MAX + 1) }, "MESSAGE_TOO_LARGE"],
    ["no lifetime", { expiresInMs: 0 }, "INVALID_ARGUMENT"],
    ["a lifetime that is no number", { expiresInMs: Number.NaN }, "INVALID_ARGUMENT"],
    ["an id that is no UUID", { id: "42" }, "INVALID_ARGUMENT"],
    ["a long text", { trace: "t".repeat(256) }, "INVALID_ARGUMENT"],
    ["half a surrogate pair", { session: "\ud800" }, "INVALID_ARGUMENT"],
  ])("with %s is refused", (_, changes, code) => {
    const correct = { kind: "k", payload: new Uint8Array(1) };
    expect(codeOf(() => checkMessage(correct))).toBe("none");
    expect(codeOf(() => checkMessage({ ...correct, ...changes }))).toBe(code);
  });
});
