import { createHash } from "node:crypto";
import { EasynetError } from "../../kernel/index.ts";

/**
 * A content address (CID version 1, sha2-256; github.com/multiformats/cid): `raw` names bytes, `dag-pb` a node of links
 * to more of them.
 */
export interface Cid {
  readonly codec: "raw" | "dag-pb";
  /** SHA-256 of the block, 64 lower case hex digits. */
  readonly hash: string;
}

export const CID_BYTES = 36;
export const HASH_BYTES = 32;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const CODECS = { raw: 0x55, "dag-pb": 0x70 } as const;
const [VERSION, SHA2_256] = [0x01, 0x12];
/** `b` for base32, then 58 characters of 5 bits. */
const TEXT = /^b[a-z2-7]{58}$/;

export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function cidToBytes({ codec, hash }: Cid): Uint8Array {
  return Buffer.concat([Buffer.from([VERSION, CODECS[codec], SHA2_256, HASH_BYTES]), Buffer.from(hash, "hex")]);
}

/** Undefined for other versions, codecs and hashes. */
export function cidFromBytes(bytes: Uint8Array): Cid | undefined {
  const [version, code, hash, length] = bytes;
  if (bytes.length !== CID_BYTES || version !== VERSION || hash !== SHA2_256 || length !== HASH_BYTES) return undefined;
  const codec = code === CODECS.raw ? "raw" : code === CODECS["dag-pb"] ? "dag-pb" : undefined;
  return codec && { codec, hash: Buffer.from(bytes.subarray(4)).toString("hex") };
}

/** Base32 in lower case without padding (RFC 4648), with the prefix `b`. */
export function formatCid(cid: Cid): string {
  let text = "b";
  let [bits, held] = [0, 0];
  for (const byte of cidToBytes(cid)) {
    bits = (bits << 8) | byte;
    for (held += 8; held >= 5; held -= 5) text += ALPHABET.charAt((bits >>> (held - 5)) & 31);
    bits &= 31;
  }
  return text + ALPHABET.charAt((bits << (5 - held)) & 31);
}

/** @throws {EasynetError} ARTIFACT_ID_INVALID */
export function parseCid(text: string): Cid {
  const cid = TEXT.test(text) ? cidFromBytes(fromBase32(text.slice(1))) : undefined;
  // The last character carries two bits that must be zero: one spelling for each address.
  if (cid && formatCid(cid) === text) return cid;
  throw new EasynetError("ARTIFACT_ID_INVALID", { cid: text.slice(0, 100) });
}

function fromBase32(text: string): Uint8Array {
  const bytes: number[] = [];
  let [bits, held] = [0, 0];
  for (const letter of text) {
    bits = ((bits << 5) | ALPHABET.indexOf(letter)) & 0xfff;
    held += 5;
    if (held < 8) continue;
    held -= 8;
    bytes.push((bits >>> held) & 0xff);
  }
  return Uint8Array.from(bytes);
}
