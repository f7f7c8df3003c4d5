/** Bodies of the two frames of documents (docs/protocol/state.md). */
import { EasynetError } from "../../kernel/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { DOCUMENT_BYTES_MAX, DOCUMENT_NAME_LENGTH_MAX, PART_BYTES, VERSION_BYTES_MAX } from "./limits.ts";

export interface Part {
  readonly name: string;
  /** Of the change, chosen by its sender. */
  readonly number: number;
  readonly index: number;
  readonly isLast: boolean;
  readonly bytes: Uint8Array;
}

export interface Ask {
  readonly name: string;
  readonly version: Uint8Array;
  /** False: an answer to an ask, which needs no other. */
  readonly isFirst: boolean;
}

export function encodeAsk({ name, version, isFirst }: Ask): Uint8Array {
  return encodeValue([name, version, isFirst ? 1 : 0]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeAsk(body: Uint8Array): Ask {
  const [name, version, isFirst] = fieldsOf(body);
  if (!(version instanceof Uint8Array) || version.length > VERSION_BYTES_MAX) throw malformed("a version");
  return { name: nameFrom(name), version, isFirst: isFirst === 1 };
}

export function* encodeParts(name: string, number: number, bytes: Uint8Array): Generator<Uint8Array, void, void> {
  for (let index = 0; index === 0 || index * PART_BYTES < bytes.length; index++) {
    const part = bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES);
    yield encodeValue([name, number, index, (index + 1) * PART_BYTES >= bytes.length ? 1 : 0, part]);
  }
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodePart(body: Uint8Array): Part {
  const [name, number, index, isLast, bytes] = fieldsOf(body);
  if (!(bytes instanceof Uint8Array) || bytes.length > PART_BYTES) throw malformed("a part");
  if (typeof number !== "number" || typeof index !== "number" || index * PART_BYTES > DOCUMENT_BYTES_MAX) {
    throw malformed("a part's number");
  }
  return { name: nameFrom(name), number, index, isLast: isLast === 1, bytes };
}

function nameFrom(value: unknown): string {
  if (typeof value !== "string" || value.length > DOCUMENT_NAME_LENGTH_MAX) throw malformed("a name");
  return value;
}

function fieldsOf(body: Uint8Array): readonly unknown[] {
  const fields = decodeValue(body);
  if (!Array.isArray(fields)) throw malformed("not a list");
  return fields;
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `document message: ${what}` });
}
