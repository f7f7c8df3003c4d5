import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { didFromPublicKey, keyPairFromSeed } from "./keys.ts";
import { generateX25519KeyPair, x25519KeyOf, x25519KeyPair, x25519KeyPairOf } from "./x25519.ts";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

describe("an X25519 key pair", () => {
  test("agrees as RFC 7748 section 6.1 says", () => {
    const bob = x25519KeyPair(bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
    expect(hex(bob.publicKey)).toBe("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    const alice = bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    expect(hex(bob.agree(alice))).toBe("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  });

  test("refuses keys of low order and of another length", () => {
    const pair = generateX25519KeyPair();
    const lowOrder = [
      "00".repeat(32),
      `01${"00".repeat(31)}`,
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      `ec${"ff".repeat(30)}7f`,
    ];
    for (const key of [...lowOrder, "", "00".repeat(31), "09".repeat(33)]) {
      expect(() => pair.agree(bytes(key))).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
    expect(() => x25519KeyPair(new Uint8Array(31))).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("the X25519 form of a node's key", () => {
  test("is the one that libsodium's crypto_sign_ed25519_*_to_curve25519 gives (its own test, ed25519_convert)", () => {
    const keyPair = keyPairFromSeed(bytes("421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee"));
    const expected = "f1814f0e8ff1043d8a44d25babff3cedcae6c22c3edaa48f857ae70de2baae50";
    expect(hex(x25519KeyOf(keyPair.did))).toBe(expected);
    expect(hex(x25519KeyPairOf(keyPair).publicKey)).toBe(expected);
  });

  test("is the same from the did and from the private key", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const keyPair = keyPairFromSeed(seed);
        expect(hex(x25519KeyOf(keyPair.did))).toBe(hex(x25519KeyPairOf(keyPair).publicKey));
      }),
      { numRuns: 50 },
    );
  });

  test("does not exist for a did whose point is of low order", () => {
    for (const y of [`01${"00".repeat(31)}`, `ec${"ff".repeat(30)}7f`, `ec${"ff".repeat(31)}`]) {
      const did = didFromPublicKey(bytes(y));
      expect(() => x25519KeyOf(did)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
  });
});
