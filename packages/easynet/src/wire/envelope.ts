import { EasynetError } from "../kernel/index.ts";
import { type Budget, PRIORITIES } from "../model/index.ts";
import { decodeValue, encodeValue } from "./codec.ts";
import type { Envelope } from "./envelope-types.ts";
import { LANES } from "./lanes.ts";

/**
 * An envelope is a MessagePack array; what a position means never changes, new fields are appended, and positions
 * beyond the known ones are ignored (docs/protocol/frames.md, Envelope). Absent fields are nil.
 */
const FIELDS = [
  "id",
  "from",
  "to",
  "kind",
  "trace",
  "cause",
  "session",
  "createdAtMs",
  "deadlineAtMs",
  "priority",
  "hopsLeft",
  "depth",
  "budget",
  "grant",
  "lane",
  "sequence",
  "epoch",
] as const;

const NAME_LENGTH_MAX = 128;
const GRANT_BYTES_MAX = 64 * 1024;
const HOPS_MAX = 16;
const DEPTH_MAX = 255;
/** The largest time that a JavaScript Date holds, ms (ECMA-262, 21.4.1.1). */
const TIME_MS_MAX = 8.64e15;

const DID = /^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/;
/** W3C Trace Context, section 3.2; later versions may append fields. */
const TRACE = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return encodeValue(envelopeToArray(envelope));
}

/** @throws {EasynetError} FRAME_MALFORMED, FRAME_TOO_DEEP */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  return envelopeFromArray(decodeValue(bytes));
}

/** The array of an envelope, for messages that carry one among other values. */
export function envelopeToArray(envelope: Envelope): unknown[] {
  return [
    envelope.id,
    envelope.from,
    envelope.to ?? null,
    envelope.kind,
    envelope.trace ?? null,
    envelope.cause ?? null,
    envelope.session ?? null,
    envelope.createdAtMs,
    envelope.deadlineAtMs ?? null,
    PRIORITIES.indexOf(envelope.priority),
    envelope.hopsLeft,
    envelope.depth,
    envelope.budget ? budgetToArray(envelope.budget) : null,
    envelope.grant ?? null,
    LANES.indexOf(envelope.lane),
    envelope.sequence,
    envelope.epoch,
  ];
}

/** Checks every field of a decoded array. @throws {EasynetError} FRAME_MALFORMED */
export function envelopeFromArray(value: unknown): Envelope {
  if (!Array.isArray(value)) throw malformed("an envelope is not an array");
  const fields: readonly unknown[] = value;
  const to = optional(fields, 2, text);
  const trace = optional(fields, 4, text);
  const cause = optional(fields, 5, text);
  const session = optional(fields, 6, text);
  const deadlineAtMs = optional(fields, 8, (at, position) => number(at, position, TIME_MS_MAX));
  const budget = optional(fields, 12, budgetFromArray);
  const grant = optional(fields, 13, binary);
  const priority = PRIORITIES[integer(fields[9], 9, PRIORITIES.length - 1)];
  const lane = LANES[integer(fields[14], 14, LANES.length - 1)];
  const from = text(fields[1], 1);
  if (!DID.test(from)) throw wrong(1);
  if (to !== undefined && !DID.test(to)) throw wrong(2);
  if (trace !== undefined && !TRACE.test(trace)) throw wrong(4);
  if (!priority) throw wrong(9);
  if (!lane) throw wrong(14);
  return {
    id: text(fields[0], 0),
    from,
    ...(to !== undefined && { to }),
    kind: text(fields[3], 3),
    ...(trace !== undefined && { trace }),
    ...(cause !== undefined && { cause }),
    ...(session !== undefined && { session }),
    createdAtMs: number(fields[7], 7, TIME_MS_MAX),
    ...(deadlineAtMs !== undefined && { deadlineAtMs }),
    priority,
    hopsLeft: integer(fields[10], 10, HOPS_MAX),
    depth: integer(fields[11], 11, DEPTH_MAX),
    ...(budget !== undefined && { budget }),
    ...(grant !== undefined && { grant }),
    lane,
    sequence: integer(fields[15], 15, Number.MAX_SAFE_INTEGER),
    epoch: integer(fields[16], 16, Number.MAX_SAFE_INTEGER),
  };
}

function budgetToArray(budget: Budget): unknown[] {
  const { money = null, currency = null, tokens = null, calls = null, timeMs = null } = budget;
  return [money, currency, tokens, calls, timeMs];
}

function budgetFromArray(value: unknown, position: number): Budget {
  if (!Array.isArray(value)) throw wrong(position);
  const fields: readonly unknown[] = value;
  const amount = (index: number, read: typeof number): number | undefined =>
    fields[index] === null || fields[index] === undefined
      ? undefined
      : read(fields[index], position, Number.MAX_SAFE_INTEGER);
  const money = amount(0, number);
  const currency = fields[1] === null || fields[1] === undefined ? undefined : text(fields[1], position);
  const tokens = amount(2, integer);
  const calls = amount(3, integer);
  const timeMs = amount(4, number);
  return {
    ...(money !== undefined && { money }),
    ...(currency !== undefined && { currency }),
    ...(tokens !== undefined && { tokens }),
    ...(calls !== undefined && { calls }),
    ...(timeMs !== undefined && { timeMs }),
  };
}

function optional<Value>(
  fields: readonly unknown[],
  position: number,
  read: (value: unknown, position: number) => Value,
): Value | undefined {
  const value = fields[position];
  return value === null || value === undefined ? undefined : read(value, position);
}

function text(value: unknown, position: number): string {
  if (typeof value === "string" && value.length > 0 && value.length <= NAME_LENGTH_MAX) return value;
  throw wrong(position);
}

function binary(value: unknown, position: number): Uint8Array {
  if (value instanceof Uint8Array && value.length <= GRANT_BYTES_MAX) return value;
  throw wrong(position);
}

/** 0..max; a 64-bit integer of another language arrives as a bigint. */
function number(value: unknown, position: number, max: number): number {
  const read = typeof value === "bigint" ? Number(value) : value;
  if (typeof read === "number" && read >= 0 && read <= max) return read;
  throw wrong(position);
}

function integer(value: unknown, position: number, max: number): number {
  const read = number(value, position, max);
  if (Number.isInteger(read)) return read;
  throw wrong(position);
}

function wrong(position: number): EasynetError {
  return malformed(`envelope position ${position} (${FIELDS[position]}) is missing or out of range`);
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason });
}
