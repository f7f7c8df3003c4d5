import { EasynetError } from "../kernel/index.ts";
import {
  KEY_BYTES_MAX,
  LIST_COUNT_DEFAULT,
  LIST_COUNT_MAX,
  QUEUE_BYTES_MAX,
  SPACE_BYTES_MAX,
  VALUE_BYTES_MAX,
  WRITE_OVERHEAD_BYTES,
} from "./limits.ts";
import type { ListOptions, Write } from "./types.ts";

/** Checks every write and returns what they weigh in the queue, bytes. @throws {EasynetError} INVALID_ARGUMENT */
export function weighWrites(writes: readonly Write[]): number {
  let bytes = 0;
  for (const write of writes) {
    bytes += WRITE_OVERHEAD_BYTES + checkText("space", write.space, SPACE_BYTES_MAX);
    bytes += checkText("key", write.key, KEY_BYTES_MAX);
    if (write.kind === "put") bytes += checkValue(write.value);
  }
  if (bytes > QUEUE_BYTES_MAX) throw refused("commit", `it weighs ${bytes} bytes, at most ${QUEUE_BYTES_MAX} fit`);
  return bytes;
}

/** The row limit of a list call. @throws {EasynetError} INVALID_ARGUMENT */
export function listLimit(options: ListOptions): number {
  const limit = options.limit ?? LIST_COUNT_DEFAULT;
  if (!Number.isInteger(limit) || limit < 1 || limit > LIST_COUNT_MAX) {
    throw refused("limit", `${limit} is not a whole number from 1 to ${LIST_COUNT_MAX}`);
  }
  return limit;
}

/** Order of keys: by UTF-8 bytes, which differs from JavaScript's order where surrogate pairs meet U+E000..U+FFFF. */
export function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function checkText(subject: string, text: string, bytesMax: number): number {
  const bytes = Buffer.byteLength(text);
  if (bytes < 1 || bytes > bytesMax) throw refused(subject, `it has ${bytes} bytes, allowed are 1 to ${bytesMax}`);
  // SQLite would cut text at a NUL, and a lone surrogate would become U+FFFD: two keys could fall together.
  if (text.includes("\0") || !text.isWellFormed()) throw refused(subject, "it has a NUL or half a surrogate pair");
  return bytes;
}

function checkValue(value: Uint8Array): number {
  const bytes = value.byteLength;
  if (bytes > VALUE_BYTES_MAX) throw refused("value", `it has ${bytes} bytes, at most ${VALUE_BYTES_MAX} are kept`);
  return bytes;
}

function refused(subject: string, reason: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject, reason });
}
