/** The labelled key derivation of HPKE (RFC 9180 section 4) over HKDF (RFC 5869). */
import { createHmac } from "node:crypto";

export type HpkeHash = "sha256" | "sha512";

const VERSION = Buffer.from("HPKE-v1");
const EMPTY = new Uint8Array();

export interface LabeledKdf {
  /** LabeledExtract; length of the hash. */
  extract(salt: Uint8Array, label: string, secret: Uint8Array): Uint8Array;
  /** LabeledExpand. @param length bytes, at most 255 times the hash */
  expand(
    key: Uint8Array,
    label: string,
    { info, length }: { readonly info: Uint8Array; readonly length: number },
  ): Uint8Array;
}

/** @param suiteId what binds every derivation to its suite */
export function labeledKdf(hash: HpkeHash, suiteId: Uint8Array): LabeledKdf {
  return {
    extract: (salt, label, secret) => hmac(hash, salt, [VERSION, suiteId, Buffer.from(label), secret]),
    expand(key, label, { info, length }) {
      const labeled = Buffer.concat([numberBytes(length, 2), VERSION, suiteId, Buffer.from(label), info]);
      const blocks: Uint8Array[] = [];
      let bytes = 0;
      for (let last: Uint8Array = EMPTY; bytes < length; bytes += last.length) {
        last = hmac(hash, key, [last, labeled, Uint8Array.of(blocks.length + 1)]);
        blocks.push(last);
      }
      return Uint8Array.from(Buffer.concat(blocks).subarray(0, length));
    },
  };
}

/** I2OSP: a number in `length` bytes, big-endian. */
export function numberBytes(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = length - 1, rest = value; at >= 0; at -= 1, rest = Math.floor(rest / 256)) bytes[at] = rest % 256;
  return bytes;
}

function hmac(hash: HpkeHash, key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac(hash, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}
