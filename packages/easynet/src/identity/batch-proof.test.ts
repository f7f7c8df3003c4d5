import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { proveMessage, sealBatch, verifyBatch, verifyMessage } from "./batch-proof.ts";
import { generateKeyPair } from "./keys.ts";

const [alice, eve] = [generateKeyPair(), generateKeyPair()];
const place = Buffer.from("to bob, epoch 7, lane 2, from 1000");
const message = fc.uint8Array({ maxLength: 40 });

describe("a signed batch", () => {
  test("proves each of its messages to anybody, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), fc.nat(), message, (messages, seed, other) => {
        const seal = sealBatch(alice, place, messages);
        const index = seed % messages.length;
        const own = messages[index] ?? new Uint8Array();
        const proof = proveMessage(seal.signature, { place, messages }, index);
        expect(proof.path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(messages.length)));
        expect(verifyMessage(alice.did, own, proof)).toBe(true);
        expect(verifyMessage(eve.did, own, proof)).toBe(false);
        expect(verifyMessage(alice.did, own, { ...proof, place: eve.publicKey })).toBe(false);
        expect(verifyMessage(alice.did, own, { ...proof, count: proof.count + 1 })).toBe(false);
        expect(verifyMessage(alice.did, own, { ...proof, root: eve.publicKey })).toBe(false);
        expect(verifyMessage(alice.did, own, { ...proof, signature: eve.sign(own) })).toBe(false);
        expect(verifyMessage(alice.did, other, proof)).toBe(Buffer.compare(own, other) === 0);
      }),
      { numRuns: 50 },
    );
  });

  test("is checked as a whole: order, number, place and signer", () => {
    const messages = ["a", "b", "c"].map((text) => Buffer.from(text));
    const seal = sealBatch(alice, place, messages);
    expect(verifyBatch(alice.did, seal.signature, { place, messages })).toBe(true);
    expect(verifyBatch(alice.did, seal.signature, { place, messages: messages.toReversed() })).toBe(false);
    expect(verifyBatch(alice.did, seal.signature, { place, messages: messages.slice(1) })).toBe(false);
    expect(verifyBatch(alice.did, seal.signature, { place: Buffer.from("elsewhere"), messages })).toBe(false);
    expect(verifyBatch(eve.did, seal.signature, { place, messages })).toBe(false);
  });

  test("an inner node of the tree does not pass for a message", () => {
    const messages = ["a", "b", "c", "d"].map((text) => Buffer.from(text));
    const seal = sealBatch(alice, place, messages);
    const proof = proveMessage(seal.signature, { place, messages }, 0);
    const [first, second] = [proveMessage(seal.signature, { place, messages }, 1).path[0], proof.path[0]];
    const inner = Buffer.concat([first ?? new Uint8Array(), second ?? new Uint8Array()]);
    expect(verifyMessage(alice.did, inner, { ...proof, count: 2, index: 0, path: proof.path.slice(1) })).toBe(false);
  });

  test("is not made of nothing, and has no proof for what is not in it", () => {
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    expect(() => sealBatch(alice, place, [])).toThrow(refused);
    const messages = [Buffer.from("a")];
    const seal = sealBatch(alice, place, messages);
    for (const index of [-1, 1, 0.5])
      expect(() => proveMessage(seal.signature, { place, messages }, index)).toThrow(refused);
  });
});
