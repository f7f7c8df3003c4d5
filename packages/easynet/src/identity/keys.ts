import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { EasynetError } from "../kernel/index.ts";
import { decodeBase58, encodeBase58 } from "./base58.ts";
import type { Did, KeyPair } from "./types.ts";

/** DER of an Ed25519 PKCS#8 private key and SubjectPublicKeyInfo up to the 32 key bytes (RFC 8410 section 7, 4). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
/** Multicodec ed25519-pub, varint 0xed01 (did:key method, section 4.2). */
const MULTICODEC = [0xed, 0x01] as const;

/** Parsed public keys, because importing one costs a third of a verification; oldest out at the limit. */
const publicKeys = new Map<string, KeyObject>();
const PUBLIC_KEYS_COUNT_MAX = 4096;

export function generateKeyPair(): KeyPair {
  const der = generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" });
  return keyPairFromSeed(der.subarray(PKCS8_PREFIX.length));
}

/** @param seed 32 bytes. @throws {EasynetError} INVALID_ARGUMENT */
export function keyPairFromSeed(seed: Uint8Array): KeyPair {
  if (seed.length !== 32) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "A private key", reason: `${seed.length} bytes, not 32` });
  }
  const own = Uint8Array.from(seed);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, own]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const publicKey = Uint8Array.from(spki.subarray(SPKI_PREFIX.length));
  return {
    did: didFromPublicKey(publicKey),
    publicKey,
    sign: (bytes) => sign(null, bytes, key),
    exportSeed: () => Uint8Array.from(own),
  };
}

/** @param publicKey 32 bytes */
export function didFromPublicKey(publicKey: Uint8Array): Did {
  const text = `did:key:z${encodeBase58(Uint8Array.from([...MULTICODEC, ...publicKey]))}`;
  return parseDid(text);
}

/** @throws {EasynetError} INVALID_ARGUMENT unless `text` is the did:key of an Ed25519 key */
export function parseDid(text: string): Did {
  if (isDid(text)) return text;
  throw new EasynetError("INVALID_ARGUMENT", { subject: "A did", reason: "it is not the did:key of an Ed25519 key" });
}

export function isDid(text: string): text is Did {
  return publicKeyBytes(text) !== undefined;
}

function publicKeyBytes(did: string): Uint8Array | undefined {
  if (!did.startsWith("did:key:z6Mk") || did.length !== 56) return undefined;
  const bytes = decodeBase58(did.slice("did:key:z".length));
  if (bytes?.length !== 34 || bytes[0] !== MULTICODEC[0] || bytes[1] !== MULTICODEC[1]) return undefined;
  return bytes.subarray(2);
}

/** The 32 key bytes that a did names. */
export function didToPublicKey(did: Did): Uint8Array {
  const bytes = publicKeyBytes(did);
  if (!bytes) throw new EasynetError("INVALID_ARGUMENT", { subject: "A did", reason: "it holds no Ed25519 key" });
  return bytes;
}

/** That `signature` is `did`'s over `bytes`: to be verified. */
export interface SignatureClaim {
  readonly did: Did;
  readonly bytes: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** True when `signature` (64 bytes) is `did`'s Ed25519 signature over `bytes`. Never throws. */
export function verifySignature(did: Did, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  try {
    return verify(null, bytes, publicKeyObject(did), signature);
  } catch {
    return false;
  }
}

/** The public key that a did names, imported. @throws when the did holds no usable key */
export function publicKeyObject(did: Did): KeyObject {
  const known = publicKeys.get(did);
  if (known) return known;
  const der = Buffer.concat([SPKI_PREFIX, didToPublicKey(did)]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  if (publicKeys.size >= PUBLIC_KEYS_COUNT_MAX) {
    const oldest = publicKeys.keys().next();
    if (!oldest.done) publicKeys.delete(oldest.value);
  }
  publicKeys.set(did, key);
  return key;
}

/** `z6Mk…hQ2f`: for people to compare, never for machines. */
export function shortDid(did: string): string {
  const key = did.replace("did:key:", "");
  return key.length > 10 ? `${key.slice(0, 4)}…${key.slice(-4)}` : key;
}
