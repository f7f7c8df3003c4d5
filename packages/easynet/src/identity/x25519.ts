/**
 * X25519 (RFC 7748) on node:crypto, and the X25519 form of a node's Ed25519 key: the birational map of RFC 7748 section
 * 4.1, so that whoever knows a did can seal to it and nothing more has to be published. Signing and this KEM with one
 * key: Thormarker 2021 (IACR ePrint 2021/509) proves it sound for Ed25519 with an X25519 KEM of HPKE's kind.
 */
import { createHash, createPrivateKey, createPublicKey, diffieHellman, randomBytes } from "node:crypto";
import { EasynetError } from "../kernel/index.ts";
import { didToPublicKey } from "./keys.ts";
import type { Did, KeyPair } from "./types.ts";

/** DER of an X25519 PKCS#8 private key and SubjectPublicKeyInfo up to the 32 key bytes (RFC 8410 section 7, 4). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b656e032100", "hex");
export const X25519_KEY_BYTES = 32;
/** The field of Curve25519. */
const P = 2n ** 255n - 19n;

/** The private half never leaves. */
export interface X25519KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes. @throws {EasynetError} INVALID_ARGUMENT for a key that is not 32 bytes, or of low order (RFC 7748, 6.1) */
  agree(publicKey: Uint8Array): Uint8Array;
}

export function generateX25519KeyPair(): X25519KeyPair {
  return x25519KeyPair(randomBytes(X25519_KEY_BYTES));
}

/** @param secret 32 bytes, clamped as RFC 7748 says. @throws {EasynetError} INVALID_ARGUMENT */
export function x25519KeyPair(secret: Uint8Array): X25519KeyPair {
  checkLength(secret);
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, secret]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    publicKey: Uint8Array.from(spki.subarray(SPKI_PREFIX.length)),
    agree(publicKey) {
      checkLength(publicKey);
      const der = Buffer.concat([SPKI_PREFIX, publicKey]);
      try {
        return diffieHellman({ privateKey, publicKey: createPublicKey({ key: der, format: "der", type: "spki" }) });
      } catch (error) {
        // OpenSSL refuses the all-zero result, which is what a key of low order gives.
        throw refused("it is a point of low order", error);
      }
    },
  };
}

/** The pair that opens what was sealed to `x25519KeyOf(keyPair.did)`. */
export function x25519KeyPairOf(keyPair: KeyPair): X25519KeyPair {
  return x25519KeyPair(createHash("sha512").update(keyPair.exportSeed()).digest().subarray(0, X25519_KEY_BYTES));
}

/** The X25519 public key of a did: u = (1 + y) / (1 - y). @throws {EasynetError} INVALID_ARGUMENT */
export function x25519KeyOf(did: Did): Uint8Array {
  const bytes = didToPublicKey(did).toReversed();
  // The top bit is the sign of x, which u does not depend on.
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  const y = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  const u = (((1n + y) % P) * power((1n + P - (y % P)) % P, P - 2n)) % P;
  if (u === 0n) throw refused("it is a point of low order");
  return Uint8Array.from(Buffer.from(u.toString(16).padStart(2 * X25519_KEY_BYTES, "0"), "hex")).toReversed();
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

function checkLength(key: Uint8Array): void {
  if (key.length !== X25519_KEY_BYTES) throw refused(`it has ${key.length} bytes, not ${X25519_KEY_BYTES}`);
}

function refused(reason: string, cause?: unknown): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject: "An X25519 key", reason }, { cause });
}
