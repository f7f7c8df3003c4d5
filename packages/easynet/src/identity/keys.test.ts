import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codePoint } from "../../../../test/arbitraries/any-text.ts";
import { tries } from "../../../../test/quick.ts";
import { encodeBase58 } from "./base58.ts";
import {
  didFromPublicKey,
  didToPublicKey,
  generateKeyPair,
  isDid,
  keyPairFromSeed,
  parseDid,
  shortDid,
  verifySignature,
} from "./keys.ts";
import type { Did } from "./types.ts";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");
const seedArbitrary = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** RFC 8032 section 7.1: seed, public key, message, signature. */
const RFC_8032 = [
  [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  ],
  [
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ],
  [
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "af82",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  ],
] as const;

/** Seeds and names of the did:key method's own test vectors. */
const DID_KEYS = [
  ["00", "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"],
  ["01", "did:key:z6MkjchhfUsD6mmvni8mCdXHw216Xrm9bQe2mBH1P5RDjVJG"],
  ["02", "did:key:z6MknGc3ocHs3zdPiJbnaaqDi58NGb4pk1Sp9WxWufuXSdxf"],
] as const;

describe("a key pair", () => {
  test.each(RFC_8032)("from seed %s is that of RFC 8032", (...vector) => {
    const [seed, publicKey, message, signature] = vector;
    const keyPair = keyPairFromSeed(bytes(seed));
    expect(hex(keyPair.publicKey)).toBe(publicKey);
    expect(hex(keyPair.sign(bytes(message)))).toBe(signature);
    expect(verifySignature(keyPair.did, bytes(message), bytes(signature))).toBe(true);
  });

  test("comes back from its exported seed", () => {
    const keyPair = generateKeyPair();
    const again = keyPairFromSeed(keyPair.exportSeed());
    expect(again.did).toBe(keyPair.did);
    expect(again.sign(bytes("01"))).toEqual(keyPair.sign(bytes("01")));
  });

  test("is new each time", () => {
    expect(new Set(Array.from({ length: 20 }, () => generateKeyPair().did)).size).toBe(20);
  });

  test("keeps its own copy of the seed and hands out copies only", () => {
    const seed = new Uint8Array(32).fill(7);
    const keyPair = keyPairFromSeed(seed);
    seed.fill(0);
    keyPair.exportSeed().fill(0);
    expect(keyPair.exportSeed()).toEqual(new Uint8Array(32).fill(7));
    expect(keyPair.did).toBe(keyPairFromSeed(new Uint8Array(32).fill(7)).did);
  });

  test.each([0, 31, 33, 64])("is not made of %i bytes", (length) => {
    expect(() => keyPairFromSeed(new Uint8Array(length))).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        details: { subject: "A private key", reason: `${length} bytes, not 32` },
      }),
    );
  });

  test("shows its private half nowhere in JSON", () => {
    const keyPair = keyPairFromSeed(new Uint8Array(32).fill(7));
    expect(JSON.stringify(keyPair)).not.toMatch(/07070707|"?7,7,7/);
  });
});

describe("a did", () => {
  test.each(DID_KEYS)("of the seed ending in %s is the did:key of the method's vectors", (last, did) => {
    const seed = new Uint8Array(32);
    seed[31] = Number(last);
    expect(keyPairFromSeed(seed).did).toBe(did);
  });

  test("names exactly one key, and every key has one", () => {
    fc.assert(
      fc.property(seedArbitrary, (publicKey) => {
        const did = didFromPublicKey(publicKey);
        expect(did).toHaveLength(56);
        expect(didToPublicKey(did)).toEqual(Uint8Array.from(publicKey));
        expect(parseDid(did)).toBe(did);
      }),
    );
  });

  test("is not taken from a public key of another length", () => {
    expect(() => didFromPublicKey(new Uint8Array(31))).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => didFromPublicKey(new Uint8Array(33))).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  const did = DID_KEYS[0][1];
  const otherCodec = `did:key:z${encodeBase58(Uint8Array.from([0xec, 0x01, ...new Uint8Array(32)]))}`;
  test.each([
    ["empty", ""],
    ["of another method", did.replace("did:key:", "did:web:")],
    ["a key URL", `${did}#${did.slice(8)}`],
    ["too short", did.slice(0, -1)],
    ["too long", `${did}1`],
    ["with a character outside the alphabet", `${did.slice(0, -1)}0`],
    ["of a key of another kind", otherCodec],
    ["with a space", ` ${did}`],
    ["beyond 34 bytes", `did:key:z6Mk${"z".repeat(44)}`],
  ])("is not a text that is %s", (_what, text) => {
    expect(isDid(text)).toBe(false);
    expect(() => parseDid(text)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("is no arbitrary text", () => {
    fc.assert(
      fc.property(fc.string({ unit: codePoint }), (text) => {
        expect(isDid(text)).toBe(false);
        expect(isDid(`did:key:z6Mk${text}`)).toBe(false);
      }),
    );
  });

  test("is shown to people by its first and last four letters", () => {
    expect(shortDid(did)).toBe("z6Mk…ooWp");
    expect(shortDid("local")).toBe("local");
  });
});

describe("a signature", () => {
  const keyPair = keyPairFromSeed(new Uint8Array(32).fill(9));

  test("verifies for its message and key only, and no bit of it may change", () => {
    fc.assert(
      fc.property(seedArbitrary, fc.uint8Array(), fc.nat({ max: 511 }), (seed, message, bit) => {
        const signer = keyPairFromSeed(seed);
        const signature = signer.sign(message);
        expect(verifySignature(signer.did, message, signature)).toBe(true);
        expect(verifySignature(signer.did, Uint8Array.from([...message, 0]), signature)).toBe(false);
        expect(verifySignature(keyPair.did, message, signature)).toBe(signer.did === keyPair.did);
        signature[bit >> 3] = signature[bit >> 3]! ^ (1 << (bit & 7));
        expect(verifySignature(signer.did, message, signature)).toBe(false);
      }),
      tries(100),
    );
  });

  test("of another length is false, never an error", () => {
    for (const length of [0, 63, 65, 128]) {
      expect(verifySignature(keyPair.did, new Uint8Array(1), new Uint8Array(length))).toBe(false);
    }
  });

  test("of random bytes by a random key, point of the curve or not, is false, never an error", () => {
    fc.assert(
      fc.property(seedArbitrary, fc.uint8Array({ minLength: 64, maxLength: 64 }), (publicKey, signature) => {
        expect(verifySignature(didFromPublicKey(publicKey), new Uint8Array(1), signature)).toBe(false);
      }),
    );
  });

  test("still verifies after more keys than the cache of parsed keys holds", () => {
    const message = bytes("c0ffee");
    const signature = keyPair.sign(message);
    expect(verifySignature(keyPair.did, message, signature)).toBe(true);
    const publicKey = new Uint8Array(32);
    for (let index = 0; index < 4200; index++) {
      new DataView(publicKey.buffer).setUint32(0, index);
      const other: Did = didFromPublicKey(publicKey);
      verifySignature(other, message, signature);
    }
    expect(verifySignature(keyPair.did, message, signature)).toBe(true);
  });
});
