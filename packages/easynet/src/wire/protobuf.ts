import { EasynetError } from "../kernel/index.ts";

/**
 * As much of Protocol Buffers as the messages of IPFS need: varints and bytes (protobuf.dev/programming-guides/encoding).
 * Numbers above 2^53 and the fields of other types are passed over.
 */
export interface ProtobufField {
  readonly number: number;
  /** A view into what was read. */
  readonly value: number | Uint8Array;
}

/** Fields in the order of `fields`; of a list, one for each item. */
export function encodeProtobuf(fields: readonly ProtobufField[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { number, value } of fields) {
    if (typeof value === "number") parts.push(encodeVarint(number * 8), encodeVarint(value));
    else parts.push(encodeVarint(number * 8 + 2), encodeVarint(value.length), value);
  }
  return Buffer.concat(parts);
}

/** @param value a whole number from 0 to 2^53 - 1 */
export function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest]);
}

/** The number at `offset` and where it ends; undefined when its end is not there yet. @throws {EasynetError} FRAME_MALFORMED */
export function decodeVarint(
  bytes: Uint8Array,
  offset: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let index = 0; index < 10; index++) {
    const byte = bytes[offset + index];
    if (byte === undefined) return undefined;
    value += (byte & 127) * 128 ** index;
    if (byte < 128) return { value, end: offset + index + 1 };
  }
  throw malformed("a number has more than 10 bytes");
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function* decodeProtobuf(bytes: Uint8Array): Generator<ProtobufField, void, void> {
  let offset = 0;
  const next = (): number => {
    const read = decodeVarint(bytes, offset);
    if (!read) throw malformed("it ends within a number");
    offset = read.end;
    return read.value;
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - offset) throw malformed("it ends within a field");
    offset += length;
    return bytes.subarray(offset - length, offset);
  };
  while (offset < bytes.length) {
    const key = next();
    const number = Math.floor(key / 8);
    switch (key % 8) {
      case 0:
        yield { number, value: next() };
        break;
      case 1:
        take(8);
        break;
      case 2:
        yield { number, value: take(next()) };
        break;
      case 5:
        take(4);
        break;
      default:
        throw malformed("a field has an unknown type");
    }
  }
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason });
}
