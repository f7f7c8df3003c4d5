import { EasynetError } from "../kernel/index.ts";
import { VALUE_DEPTH_MAX } from "./limits.ts";

/** Extension types that may appear (docs/protocol/frames.md, Values); every other one is refused. */
const EXTENSION_UNDEFINED = 0x00;
const EXTENSION_BIG_INTEGER = 0x42;
const EXTENSION_TYPED_ARRAY = 0x74;
const EXTENSION_TIMESTAMP = 0xff;

/** Bytes of the value after a token 0xca..0xd3 (floats, unsigned and signed integers). */
const NUMBER_BYTES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8] as const;
/** Values that are still to come on each level outside the current one; reused, because a scan never yields. */
const outer = new Int32Array(VALUE_DEPTH_MAX + 1);

/**
 * Walks over one MessagePack value without building anything, so that nothing is allocated for bytes that lie about
 * their length: depth, declared lengths against what is there, allowed extensions, and no byte left over.
 * @returns whether there is binary data in it
 * @throws {EasynetError} FRAME_TOO_DEEP, FRAME_MALFORMED
 */
export function scanValue(bytes: Uint8Array): boolean {
  let binary = false;
  const end = bytes.length;
  let position = 0;
  let depth = 0;
  let open = 1;
  while (open > 0) {
    open--;
    if (position >= end) throw malformed("it ends within a value");
    const token = bytes[position++] ?? 0;
    let count = -1;
    if (token >= 0xa0 && token < 0xc0) position += token - 0xa0;
    else if (token >= 0x80 && token < 0xa0) count = token < 0x90 ? (token - 0x80) * 2 : token - 0x90;
    else if (token >= 0xdc && token <= 0xdf) {
      const wide = token === 0xdd || token === 0xdf;
      count = readUint(bytes, position, wide ? 4 : 2) * (token >= 0xde ? 2 : 1);
      position += wide ? 4 : 2;
    } else if (token >= 0xc0 && token < 0xdc) {
      if (token >= 0xc4 && token <= 0xc6) binary = true;
      position = skipScalar(bytes, position, token);
    }
    // Everything else is an integer in the token itself.
    if (position > end) throw malformed("it ends within a value");
    if (count >= 0) {
      if (depth === VALUE_DEPTH_MAX) throw new EasynetError("FRAME_TOO_DEEP", { depthMax: VALUE_DEPTH_MAX });
      // Each value takes at least a byte: a larger count cannot be true.
      if (count > end - position) throw malformed("a declared length exceeds what is there");
      outer[depth++] = open;
      open = count;
    }
    while (open === 0 && depth > 0) open = outer[--depth] ?? 0;
  }
  if (position !== end) throw malformed("bytes are left after the value");
  return binary;
}

/** The position after a value that holds no other values. */
function skipScalar(bytes: Uint8Array, position: number, token: number): number {
  if (token >= 0xca && token <= 0xd3) return position + (NUMBER_BYTES[token - 0xca] ?? 0);
  if (token === 0xc0 || token === 0xc2 || token === 0xc3) return position;
  if (token >= 0xc4 && token <= 0xc6) return skipSized(bytes, position, 1 << (token - 0xc4));
  if (token >= 0xd9) return skipSized(bytes, position, 1 << (token - 0xd9));
  if (token >= 0xd4) return skipExtension(bytes, position, 1 << (token - 0xd4));
  if (token === 0xc1) throw malformed("it uses the token that MessagePack reserves");
  const sizeBytes = 1 << (token - 0xc7);
  return skipExtension(bytes, position + sizeBytes, readUint(bytes, position, sizeBytes));
}

function skipSized(bytes: Uint8Array, position: number, sizeBytes: number): number {
  return position + sizeBytes + readUint(bytes, position, sizeBytes);
}

function skipExtension(bytes: Uint8Array, position: number, length: number): number {
  const type = bytes[position];
  const fits =
    (type === EXTENSION_UNDEFINED && length === 1) ||
    (type === EXTENSION_TIMESTAMP && (length === 4 || length === 8 || length === 12 || length === 1)) ||
    (type === EXTENSION_BIG_INTEGER && length > 0) ||
    (type === EXTENSION_TYPED_ARRAY && length > 0);
  if (!fits) throw malformed("it uses an extension that is not part of the protocol");
  return position + 1 + length;
}

/** Big-endian; bytes that are missing count as 0, because the caller checks the position afterwards. */
function readUint(bytes: Uint8Array, position: number, sizeBytes: number): number {
  let value = 0;
  for (let index = 0; index < sizeBytes; index++) value = value * 256 + (bytes[position + index] ?? 0);
  return value;
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason });
}
