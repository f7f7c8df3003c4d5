import { EasynetError } from "../../kernel/index.ts";
import { HASH_BYTES } from "./cid.ts";

/** Blocks that one `artifact-want` may name. */
const WANTS_MAX = 64;

/** Hashes, one after the other: body of `artifact-want` and `artifact-missing`. */
export function encodeHashes(hashes: readonly string[]): Uint8Array {
  return Buffer.from(hashes.join(""), "hex");
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeHashes(body: Uint8Array): readonly string[] {
  const count = body.length / HASH_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > WANTS_MAX) {
    throw new EasynetError("FRAME_MALFORMED", { reason: "a list of blocks has another length" });
  }
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("hex");
  return Array.from({ length: count }, (_, index) => text.slice(index * HASH_BYTES * 2, (index + 1) * HASH_BYTES * 2));
}
