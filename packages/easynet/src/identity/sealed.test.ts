import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generateKeyPair } from "./keys.ts";
import { openSealed, SEAL_OVERHEAD_BYTES, sealTo } from "./sealed.ts";

const [alice, bob, eve] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
const purpose = "mail";
const text = Buffer.from("the plan");
const broken = expect.objectContaining({ code: "SEAL_BROKEN" });

describe("bytes sealed to a did", () => {
  test("open for its key, with and without a proof of the sender", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.uint8Array({ maxLength: 50 }), (plaintext, associated) => {
        const open = sealTo(bob.did, plaintext, { purpose, associated });
        expect(open).toHaveLength(plaintext.length + SEAL_OVERHEAD_BYTES);
        expect(Uint8Array.from(openSealed(bob, open, { purpose, associated }))).toEqual(plaintext);
        const signed = sealTo(bob.did, plaintext, { purpose, associated, sender: alice });
        const options = { purpose, associated, sender: alice.did };
        expect(Uint8Array.from(openSealed(bob, signed, options))).toEqual(plaintext);
      }),
      { numRuns: 30 },
    );
  });

  test("are other bytes each time", () => {
    expect(sealTo(bob.did, text, { purpose })).not.toEqual(sealTo(bob.did, text, { purpose }));
  });

  test.for([
    ["for another key", () => openSealed(eve, sealTo(bob.did, text, { purpose }), { purpose })],
    ["for another purpose", () => openSealed(bob, sealTo(bob.did, text, { purpose }), { purpose: "task" })],
    [
      "with other associated bytes",
      () => openSealed(bob, sealTo(bob.did, text, { purpose, associated: text }), { purpose }),
    ],
    [
      "from another sender",
      () => openSealed(bob, sealTo(bob.did, text, { purpose, sender: eve }), { purpose, sender: alice.did }),
    ],
    [
      "from nobody in particular when a sender is expected",
      () => openSealed(bob, sealTo(bob.did, text, { purpose }), { purpose, sender: alice.did }),
    ],
    [
      "from a sender when none is expected",
      () => openSealed(bob, sealTo(bob.did, text, { purpose, sender: alice }), { purpose }),
    ],
  ] as const)("do not open %s", ([, open]) => {
    expect(open).toThrow(broken);
  });

  test("do not open when a bit of them is flipped or the end is missing", () => {
    const sealed = sealTo(bob.did, text, { purpose });
    for (let at = 1; at < sealed.length; at += 1) {
      const flipped = Uint8Array.from(sealed);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      expect(() => openSealed(bob, flipped, { purpose })).toThrow(broken);
      expect(() => openSealed(bob, sealed.subarray(0, at), { purpose })).toThrow(broken);
    }
    expect(() => openSealed(bob, new Uint8Array(), { purpose })).toThrow(broken);
  });

  test("of a later form, or with a key of low order in them, are refused", () => {
    const later = sealTo(bob.did, text, { purpose });
    later[0] = 9;
    const unsupported = expect.objectContaining({ code: "VERSION_UNSUPPORTED" });
    expect(() => openSealed(bob, later, { purpose })).toThrow(unsupported);
    const lowOrder = sealTo(bob.did, text, { purpose });
    lowOrder.fill(0, 1, 33);
    expect(() => openSealed(bob, lowOrder, { purpose })).toThrow(broken);
  });
});
