import { createHash } from "node:crypto";
import { EasynetError } from "../../kernel/index.ts";
import type { Durability } from "../../model/index.ts";
import type { CommitDurability } from "../../storage/index.ts";
import { decodeValue, encodeValue, envelopeFromArray, envelopeToArray } from "../../wire/index.ts";
import type { ExchangeRequest } from "../types.ts";
import type { Segment } from "./journal-core.ts";

/** Spaces of the store, at the provider: a task, what it was asked, its events. */
export const TASKS_SPACE = "tasks";
export const REQUESTS_SPACE = "task-requests";
export const EVENTS_SPACE = "task-events";
/** Per caller the time in the youngest id that was forgotten. */
export const FORGOTTEN_SPACE = "tasks-forgotten";
/** At the caller: what it gave away. */
export const ASKED_SPACE = "tasks-asked";

/** What is written survives: `process` a killed process, `disk` also the loss of power. */
export type StoredDurability = Extract<Durability, CommitDurability>;

/** A task as its provider keeps it, beside its request and its events. */
export interface TaskRecord {
  readonly id: string;
  /** did:key that the caller's link proved. */
  readonly caller: string;
  readonly capability: string;
  /** did of the agent; "" = any of this node. */
  readonly agent: string;
  readonly digest: string;
  readonly repeatable: boolean;
  /** What it and its events survive at the provider. */
  readonly durability: StoredDurability;
  readonly acceptedAtMs: number;
  /** Undefined while it is unfinished. */
  readonly end: TaskEnd | undefined;
}

export interface TaskEnd {
  readonly atMs: number;
  /** Error code; "" = it completed. */
  readonly code: string;
  /** Number of its last event. */
  readonly stored: number;
  /** Bytes of its events. */
  readonly bytes: number;
}

/** Row key of a task: ids are the callers' own texts, so they are not put into keys as they are. */
export function taskKey(caller: string, id: string): string {
  return createHash("sha256").update(`${caller} ${id}`).digest("hex").slice(0, 40);
}

const NUMBER_DIGITS = 10;

/** Rows of a task's events are found by the number of their last event. */
export function segmentKey(key: string, last: number): string {
  return `${key}/${String(last).padStart(NUMBER_DIGITS, "0")}`;
}

export function encodeRecord(record: TaskRecord): Uint8Array {
  const { id, caller, capability, agent, digest, repeatable, durability, acceptedAtMs, end } = record;
  const last = end ? [end.atMs, end.code, end.stored, end.bytes] : null;
  return encodeValue([id, caller, capability, agent, digest, repeatable, acceptedAtMs, last, durability]);
}

/** @throws {EasynetError} FRAME_MALFORMED for a row that this version did not write */
export function decodeRecord(bytes: Uint8Array): TaskRecord {
  const [id, caller, capability, agent, digest, repeatable, acceptedAtMs, last, durability] = rowOf(bytes);
  return {
    id: text(id),
    caller: text(caller),
    capability: text(capability),
    agent: text(agent),
    digest: text(digest),
    repeatable: repeatable === true,
    durability: storedDurability(durability),
    acceptedAtMs: number(acceptedAtMs),
    end: last === null ? undefined : endFrom(last),
  };
}

/** Whatever is not known to be less is kept as safely as can be: also rows of before there was a choice. */
export function storedDurability(value: unknown): StoredDurability {
  return value === "process" ? "process" : "disk";
}

function endFrom(value: unknown): TaskEnd {
  if (!Array.isArray(value)) throw malformed();
  const fields: readonly unknown[] = value;
  const [atMs, code, stored, bytes] = fields;
  return { atMs: number(atMs), code: text(code), stored: number(stored), bytes: number(bytes) };
}

export function encodeSegment({ first, events, ends }: Segment): Uint8Array {
  return encodeValue([first, events, ends]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeSegment(bytes: Uint8Array): Segment {
  const [first, events, ends] = rowOf(bytes);
  if (!Array.isArray(events)) throw malformed();
  const list: readonly unknown[] = events;
  const checked = list.map((event) => {
    if (!(event instanceof Uint8Array)) throw malformed();
    return event;
  });
  return { first: number(first), events: checked, ends: ends === true };
}

export function encodeStoredRequest({ envelope, agent, capability, input, extras }: ExchangeRequest): Uint8Array {
  return encodeValue([envelopeToArray(envelope), agent ?? null, capability, input.args, input.kwargs, extras ?? null]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeStoredRequest(bytes: Uint8Array): ExchangeRequest {
  const [envelope, agent, capability, args, kwargs, extras] = rowOf(bytes);
  if (!Array.isArray(args)) throw malformed();
  return {
    envelope: envelopeFromArray(envelope),
    capability: text(capability),
    input: { args, kwargs: recordFrom(kwargs) },
    ...(agent !== null && { agent: text(agent) }),
    ...(extras !== null && { extras: recordFrom(extras) }),
  };
}

/** Digest of what a task is to do: the same for the same words, whatever the order of named values. */
export function requestDigest({ capability, input, extras }: ExchangeRequest): string {
  const bytes = encodeValue(ordered([capability, input.args, input.kwargs, extras ?? null]));
  return createHash("sha256").update(bytes).digest("base64url");
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries = Object.entries(value).map(([name, each]) => [name, ordered(each)] as const);
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The fields of a row. @throws {EasynetError} FRAME_MALFORMED */
export function rowOf(bytes: Uint8Array): readonly unknown[] {
  const value = decodeValue(bytes);
  if (!Array.isArray(value)) throw malformed();
  return value;
}

export function text(value: unknown): string {
  if (typeof value !== "string") throw malformed();
  return value;
}

export function number(value: unknown): number {
  if (typeof value !== "number") throw malformed();
  return value;
}

function recordFrom(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw malformed();
  return { ...value };
}

function malformed(): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: "a stored task has another form" });
}
