import { Packr } from "msgpackr";

/** Records off: plain MessagePack that any language reads; a plain object stays an object. */
const packr = new Packr({ useRecords: false, moreTypes: true });

export function encodeValue(value: unknown): Uint8Array {
  return packr.pack(value);
}

export function decodeValue(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}
