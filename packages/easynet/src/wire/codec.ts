import { addExtension, Packr } from "msgpackr";
import { EasynetError, isEasynetError } from "../kernel/index.ts";
import { VALUE_DEPTH_MAX } from "./limits.ts";
import { scanValue } from "./value-scan.ts";

/**
 * Records off: plain MessagePack that any language reads; a plain object stays an object. Binary values are copied
 * out, because the bytes they came in are reused after the handler returned.
 */
const packr = new Packr({ useRecords: false, moreTypes: false, useBigIntExtension: true, copyBuffers: true });

/** Element types of extension 0x74 by their number on the wire; a Uint8Array travels as plain binary. */
const TYPED_ARRAYS = new Map<number, TypedArrayClass>([
  [0, Int8Array],
  [2, Uint8ClampedArray],
  [3, Int16Array],
  [4, Uint16Array],
  [5, Int32Array],
  [6, Uint32Array],
  [7, Float32Array],
  [8, Float64Array],
  [9, BigInt64Array],
  [10, BigUint64Array],
]);

interface TypedArrayClass {
  new (buffer: ArrayBuffer): NodeJS.TypedArray;
  readonly BYTES_PER_ELEMENT: number;
}

for (const [code, type] of TYPED_ARRAYS) {
  addExtension({
    Class: type,
    type: 0x74,
    pack: (value: NodeJS.TypedArray) => {
      const bytes = Buffer.allocUnsafe(1 + value.byteLength);
      bytes[0] = code;
      bytes.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), 1);
      return bytes;
    },
    unpack: unpackTypedArray,
  });
}

function unpackTypedArray(bytes: Uint8Array): NodeJS.TypedArray {
  const type = TYPED_ARRAYS.get(bytes[0] ?? -1);
  if (!type) throw new EasynetError("FRAME_MALFORMED", { reason: "it holds an array of an unknown element type" });
  // A copy, because the elements must lie at a multiple of their size.
  return new type(Uint8Array.from(bytes.subarray(1)).buffer);
}

/**
 * One value as MessagePack. A Map becomes a map, a Set an array, a function undefined, an object of a class
 * with `toJSON` what that returns; everything that encodes also passes the limits of {@link decodeValue}, but for the size of a frame.
 * @throws {EasynetError} FRAME_TOO_DEEP also for cycles; INVALID_ARGUMENT for what has no form on the wire
 */
export function encodeValue(value: unknown): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = packr.pack(value);
  } catch (error) {
    // A cycle ends in an exhausted stack.
    if (error instanceof RangeError) throw new EasynetError("FRAME_TOO_DEEP", { depthMax: VALUE_DEPTH_MAX });
    const reason = "it has no form in MessagePack";
    throw new EasynetError("INVALID_ARGUMENT", { subject: "A value", reason }, { cause: error });
  }
  scanValue(bytes);
  return bytes;
}

/**
 * The value of exactly these bytes; nothing in it refers to them. Structure and limits are checked before anything
 * is built. A key `__proto__` is renamed `__proto_`. Errors never hold anything of the content.
 * @throws {EasynetError} FRAME_MALFORMED, FRAME_TOO_DEEP
 */
export function decodeValue(bytes: Uint8Array): unknown {
  // Strings are read much faster from a Buffer, but binary data would come out as one too.
  const asBuffer = !scanValue(bytes);
  try {
    return packr.unpack(asBuffer ? bufferOf(bytes) : plainOf(bytes));
  } catch (error) {
    if (isEasynetError(error)) throw error;
    // The cause is dropped on purpose: its message may quote what was sent.
    throw new EasynetError("FRAME_MALFORMED", { reason: "a value in it does not decode" });
  }
}

function bufferOf(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function plainOf(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
