/**
 * Values in JSON. JSON has no bytes and no large integers, so they are written as objects of one key:
 * `{"$bytes": "<base64>"}` and `{"$int": "<digits>"}`. Dates become RFC 3339 text, sets arrays, maps of text keys objects.
 */
import { EasynetError } from "../kernel/index.ts";

/** Levels of arrays and objects in one JSON text; deeper ones are refused before anything walks them. */
export const JSON_DEPTH_MAX = 64;

/** JSON text of any value; what JSON cannot hold (functions, symbols) is left out as by `JSON.stringify`. */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, jsonReplacer) ?? "null";
}

/** The replacer of {@link stringifyJson}, for serialisers that call `JSON.stringify` themselves. */
export function jsonReplacer(_key: string, value: unknown): unknown {
  return toJsonValue(value);
}

/**
 * `JSON.stringify` calls a `toJSON` before its replacer, and Buffer has one (`{type: "Buffer", data}`), so a Buffer
 * is recognised by that form too.
 */
function toJsonValue(value: unknown): unknown {
  if (typeof value === "bigint") return { $int: value.toString() };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  if (value instanceof Uint8Array) return { $bytes: base64(value) };
  if (value instanceof Set) return [...value];
  if (value instanceof Map) return Object.fromEntries(value);
  return isBufferJson(value) ? { $bytes: Buffer.from(value.data).toString("base64") } : value;
}

function isBufferJson(value: object): value is { type: "Buffer"; data: number[] } {
  return "type" in value && value.type === "Buffer" && "data" in value && Array.isArray(value.data);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/**
 * The value of a JSON text, with bytes and large integers restored.
 * @throws {EasynetError} INVALID_ARGUMENT when it is not JSON, too deep, or holds a `__proto__` key
 */
export function parseJson(json: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new EasynetError(
      "INVALID_ARGUMENT",
      { subject: "The JSON text", reason: "it is not JSON" },
      { cause: error },
    );
  }
  return reviveJson(value);
}

/** As {@link parseJson} for a value that is parsed already; changes it in place. @throws {EasynetError} INVALID_ARGUMENT */
export function reviveJson(value: unknown): unknown {
  return revive(value, 1);
}

function revive(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > JSON_DEPTH_MAX) refuse(`it is nested deeper than ${JSON_DEPTH_MAX} levels`);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) value[index] = revive(value[index], depth + 1);
    return value;
  }
  const keys = Object.keys(value);
  if (keys.length === 1) {
    if ("$bytes" in value && typeof value.$bytes === "string") return bytesFrom(value.$bytes);
    if ("$int" in value && typeof value.$int === "string") return integerFrom(value.$int);
  }
  const record: Record<string, unknown> = Object.assign(value);
  for (const key of keys) {
    if (key === "__proto__") refuse("it holds a __proto__ key");
    const item = record[key];
    if (typeof item === "object" && item !== null) record[key] = revive(item, depth + 1);
  }
  return record;
}

function bytesFrom(encoded: string): Uint8Array {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(encoded)) refuse("$bytes is not base64");
  const buffer = Buffer.from(encoded, "base64");
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function integerFrom(digits: string): bigint {
  if (!/^-?\d{1,1000}$/.test(digits)) refuse("$int is not a whole number");
  return BigInt(digits);
}

function refuse(reason: string): never {
  throw new EasynetError("INVALID_ARGUMENT", { subject: "The JSON text", reason });
}
