import { EasynetError } from "../../kernel/index.ts";
import {
  KEY_BYTES_MAX,
  LEASE_TTL_MS_MAX,
  LEASE_TTL_MS_MIN,
  LIST_COUNT_MAX,
  NAME_BYTES_MAX,
  VALUE_BYTES_MAX,
} from "./limits.ts";
import type { Operation, Query } from "./operations.ts";

const REVISIONS = [0, Number.MAX_SAFE_INTEGER] as const;

/** Also for what members send: nothing beyond a limit enters the log. @throws {EasynetError} INVALID_ARGUMENT */
export function checkOperation(operation: Operation): void {
  switch (operation.kind) {
    case "put":
    case "set":
      checkText("The key", operation.key, KEY_BYTES_MAX);
      if (operation.kind === "set") checkCount("The revision", operation.revision, REVISIONS);
      if (operation.value) checkValue(operation.value);
      return;
    case "delete":
      checkText("The key", operation.key, KEY_BYTES_MAX);
      return;
    case "add":
      checkText("The key", operation.key, KEY_BYTES_MAX);
      checkCount("What is added", operation.by, [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
      return;
    case "acquire":
      checkText("The resource", operation.resource, NAME_BYTES_MAX);
      checkText("The owner", operation.owner, NAME_BYTES_MAX);
      checkCount("The time of a lease", operation.ttlMs, [LEASE_TTL_MS_MIN, LEASE_TTL_MS_MAX]);
      return;
    case "release":
      checkText("The resource", operation.resource, NAME_BYTES_MAX);
      checkCount("The token", operation.token, REVISIONS);
  }
}

/** @throws {EasynetError} INVALID_ARGUMENT */
export function checkQuery(query: Query): void {
  if (query.kind === "get") checkText("The key", query.key, KEY_BYTES_MAX);
  else if (query.kind === "holder") checkText("The resource", query.resource, NAME_BYTES_MAX);
  else {
    if (query.prefix !== "") checkText("The prefix", query.prefix, KEY_BYTES_MAX);
    if (query.after !== undefined) checkText("The key to go on after", query.after, KEY_BYTES_MAX);
    checkCount("The limit", query.limit, [1, LIST_COUNT_MAX]);
  }
}

/** @throws {EasynetError} INVALID_ARGUMENT */
export function checkPrefix(prefix: string): void {
  if (prefix !== "") checkText("The prefix", prefix, KEY_BYTES_MAX);
}

function checkText(subject: string, text: string, bytesMax: number): void {
  const bytes = Buffer.byteLength(text);
  if (bytes < 1 || bytes > bytesMax) throw invalid(subject, `it has ${bytes} bytes, allowed are 1 to ${bytesMax}`);
  if (text.includes("\0") || !text.isWellFormed()) throw invalid(subject, "it has a NUL or half a surrogate pair");
}

function checkValue({ length }: Uint8Array): void {
  if (length > VALUE_BYTES_MAX) throw invalid("The value", `it has ${length} bytes, at most ${VALUE_BYTES_MAX} fit`);
}

function checkCount(subject: string, count: number, [min, max]: readonly [number, number]): void {
  if (!Number.isSafeInteger(count) || count < min || count > max) {
    throw invalid(subject, `${count} is no whole number from ${min} to ${max}`);
  }
}

function invalid(subject: string, reason: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject, reason });
}
