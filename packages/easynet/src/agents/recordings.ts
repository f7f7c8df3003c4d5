import { z } from "zod";
import { canonicalJson } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import type { AgentEvent, TaskInput } from "../model/index.ts";
import { isEnd } from "./failure.ts";

/** Recordings of one agent; enough for any test or demo, small enough to hold in memory. */
const RECORDINGS_COUNT_MAX = 10_000;
const EVENTS_COUNT_MAX = 100_000;
/** Levels of arrays and objects in a recorded value; deeper ones (and cycles) are refused. */
const DEPTH_MAX = 100;
/** How bytes stand in JSON: `{ "$bytes": "<base64>" }`. */
const BYTES_KEY = "$bytes";

/** One recorded answer. */
export interface Recording {
  readonly capability: string;
  readonly input: TaskInput;
  /** In order; the last one is the end. `atMs` counts from the start of the task. */
  readonly events: readonly RecordedEvent[];
}

export interface RecordedEvent {
  readonly atMs: number;
  readonly event: AgentEvent;
}

const bytesSchema = z.custom<Uint8Array>((value) => value instanceof Uint8Array, "expected bytes");
const count = z.number().min(0).exactOptional();

const eventSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("delta"), text: z.string() }),
  z.strictObject({ type: z.literal("thought"), text: z.string() }),
  z.strictObject({ type: z.literal("item"), value: z.unknown() }),
  z.strictObject({
    type: z.literal("tool"),
    id: z.string(),
    name: z.string(),
    status: z.enum(["started", "completed", "failed"]),
    input: z.unknown().exactOptional(),
    output: z.unknown().exactOptional(),
  }),
  z.strictObject({ type: z.literal("ask"), id: z.string(), question: z.string(), options: z.array(z.string()) }),
  z.strictObject({
    type: z.literal("artifact"),
    name: z.string(),
    mediaType: z.string(),
    data: z.union([z.string(), bytesSchema]),
  }),
  z.strictObject({
    type: z.literal("usage"),
    inputTokens: count,
    outputTokens: count,
    money: count,
    calls: count,
    basis: z.enum(["reported", "price-table", "measured", "unknown"]),
  }),
  z.strictObject({
    type: z.literal("final"),
    value: z.unknown(),
    text: z.string().exactOptional(),
    stop: z.enum(["end", "max-tokens", "max-turns", "refusal", "cancelled"]),
  }),
  z.strictObject({
    type: z.literal("error"),
    error: z.strictObject({
      code: z.string(),
      message: z.string(),
      retryable: z.boolean(),
      details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    }),
  }),
]);

const recordingSchema = z.strictObject({
  capability: z.string().min(1).max(120),
  input: z.strictObject({
    args: z.array(z.unknown()).default([]),
    kwargs: z.record(z.string(), z.unknown()).default({}),
  }),
  events: z
    .array(z.strictObject({ atMs: z.number().min(0), event: eventSchema }))
    .min(1)
    .max(EVENTS_COUNT_MAX),
});

/**
 * Recordings from JSON Lines, one per line; empty lines are skipped.
 * @throws {EasynetError} INVALID_ARGUMENT with the number of the first line that does not fit
 */
export function parseRecordings(text: string): readonly Recording[] {
  const recordings: Recording[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    if (recordings.length >= RECORDINGS_COUNT_MAX) throw invalid(index, `more than ${RECORDINGS_COUNT_MAX} recordings`);
    recordings.push(parseLine(line, index));
  }
  return recordings;
}

/**
 * One recording as a line of JSON Lines, without the line break; `parseRecordings` reads it back.
 * @throws {EasynetError} INVALID_ARGUMENT for values beyond JSON and bytes
 */
export function formatRecording(recording: Recording): string {
  return canonicalJson(withoutBytes(recording));
}

/**
 * One text for one input, whatever the order of its keys; properties that are undefined do not count.
 * @throws {EasynetError} INVALID_ARGUMENT for values beyond JSON and bytes
 */
export function inputKey(capability: string, input: TaskInput): string {
  return canonicalJson([capability, withoutBytes(input.args), withoutBytes(input.kwargs)]);
}

function parseLine(line: string, index: number): Recording {
  let value: unknown;
  try {
    value = withBytes(JSON.parse(line));
  } catch (error) {
    throw invalid(index, error instanceof Error ? error.message : "it is not JSON");
  }
  const parsed = recordingSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(index, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "it does not fit"}`);
  }
  const { events } = parsed.data;
  const endsAt = events.findIndex(({ event }) => isEnd(event));
  if (endsAt !== events.length - 1) throw invalid(index, "its last event, and only that, must be final or error");
  return parsed.data;
}

function invalid(index: number, reason: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject: `Line ${index + 1} of the recordings`, reason });
}

/**
 * Plain JSON: bytes in base64 under their key, undefined properties left out, undefined items as null.
 * @throws {EasynetError} INVALID_ARGUMENT for what JSON cannot hold: it would be played back as something else
 */
function withoutBytes(value: unknown, depth = 0): unknown {
  if (value instanceof Uint8Array) return { [BYTES_KEY]: Buffer.from(value).toString("base64") };
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX) throw unrecordable(`more than ${DEPTH_MAX} levels`);
  if (Array.isArray(value)) return value.map((item: unknown) => withoutBytes(item ?? null, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) throw unrecordable("an object of a class");
  const members = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(members.map(([key, item]) => [key, withoutBytes(item, depth + 1)]));
}

function unrecordable(found: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject: "A recording", reason: `it holds ${found}` });
}

function withBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => withBytes(item));
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value);
  const [first] = members;
  if (members.length === 1 && first?.[0] === BYTES_KEY && typeof first[1] === "string") {
    return Uint8Array.from(Buffer.from(first[1], "base64"));
  }
  return Object.fromEntries(members.map(([key, item]) => [key, withBytes(item)]));
}
