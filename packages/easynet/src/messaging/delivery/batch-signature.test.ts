import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEasynetError } from "../../kernel/index.ts";
import { fakeKeyPair } from "../../testing/index.ts";
import { BatchBuilder } from "./batch-builder.ts";
import { PREFIX_BYTES } from "./batch-layout.ts";
import { readBatch } from "./batch-reader.ts";
import { isSignedBy, proofOf, readProof, signBatch } from "./batch-signature.ts";
import { checkMessage } from "./check-message.ts";
import type { OutgoingMessage } from "./types.ts";

const [alice, bob, eve] = [fakeKeyPair(1), fakeKeyPair(2), fakeKeyPair(3)];

function batchOf(messages: readonly Partial<OutgoingMessage>[]): Buffer {
  const builder = new BatchBuilder({ epoch: 7, lane: 2, first: 100, sentAtMs: 1_790_000_000_000 });
  for (const changes of messages) {
    builder.add(checkMessage({ kind: "note", payload: Buffer.from("tea"), from: "did:a", ...changes }));
  }
  return Buffer.from(builder.seal().subarray(PREFIX_BYTES));
}

const message = fc.record({
  kind: fc.constantFrom("a", "note", "a much longer kind"),
  payload: fc.uint8Array({ maxLength: 60 }),
  trace: fc.string({ maxLength: 20 }),
});

describe("a signed batch", () => {
  test("is the batch that it was, for its recipient only, and no byte of it can be changed", () => {
    const plain = batchOf([{}, { kind: "other" }, {}]);
    const signed = signBatch(alice, bob.did, plain);
    expect(signBatch(alice, bob.did, signed)).toBe(signed);
    expect({ ...readBatch(signed), signed: false }).toEqual(readBatch(plain));
    expect(isSignedBy(alice.did, bob.did, signed)).toBe(true);
    for (const [from, to] of [
      [eve.did, bob.did],
      [alice.did, eve.did],
    ] as const) {
      expect(isSignedBy(from, to, signed)).toBe(false);
    }
    expect(isSignedBy(alice.did, bob.did, plain)).toBe(false);
    fc.assert(
      fc.property(fc.nat(signed.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(signed);
        damaged[at] = (damaged[at] ?? 0) ^ change;
        expect(holds(() => isSignedBy(alice.did, bob.did, damaged) && readBatch(damaged).count > 0)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("proves each of its messages by itself, in at most 2 KB beside it", () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 40 }), fc.nat(), (messages, seed) => {
        const batch = signBatch(alice, bob.did, batchOf(messages));
        const index = seed % messages.length;
        const proof = proofOf(alice.did, bob.did, { batch, index });
        const proven = readProof(proof);
        expect(proven.recipient).toBe(bob.did);
        const { sender, epoch, sequence, priority, kind, payload, trace, from } = proven.message;
        const own = { sender: alice.did, epoch: 7, sequence: 100 + index, priority: "normal", from: "did:a" };
        expect({ sender, epoch, sequence, priority, kind, payload, trace, from }).toEqual({
          ...own,
          ...messages[index],
        });
        expect(proof.length - payload.length - kind.length - (trace?.length ?? 0) * 3).toBeLessThan(2048);
      }),
      { numRuns: 100 },
    );
  });

  test("has proofs of which no byte can be changed, and noise is none", () => {
    const batch = signBatch(alice, bob.did, batchOf([{}, {}, {}]));
    const proof = proofOf(alice.did, bob.did, { batch, index: 1 });
    fc.assert(
      fc.property(fc.nat(proof.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(proof);
        damaged[at] = (damaged[at] ?? 0) ^ change;
        expect(holds(() => readProof(damaged).recipient.length > 0)).toBe(false);
        expect(holds(() => readProof(proof.subarray(0, at)).recipient.length > 0)).toBe(false);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 800 }), (noise) => {
        expect(holds(() => readProof(noise).recipient.length > 0)).toBe(false);
      }),
    );
  });
});

/** Whether something is so; what it throws must be typed. */
function holds(claim: () => boolean): boolean {
  try {
    return claim();
  } catch (error) {
    if (isEasynetError(error)) return false;
    throw error;
  }
}
