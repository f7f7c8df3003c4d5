import type { Entry } from "./types.ts";

/** What an entry costs beside its data, in bytes: term, index, kind. */
const ENTRY_OVERHEAD_BYTES = 16;
export const NO_DATA = new Uint8Array();

/** What counts towards limits on messages and Readys. */
export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}

/** Bytes of data only: an empty entry is free, so that a leader can always append the one that begins its term. */
export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const { data } of entries) bytes += data.length;
  return bytes;
}

/** The longest beginning of at most `bytesMax`, but one entry if there is any. */
export function limitEntries(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
  if (bytesMax === Infinity) return entries;
  let bytes = 0;
  for (const [position, entry] of entries.entries()) {
    bytes += entryBytes(entry);
    if (bytes > bytesMax && position > 0) return entries.slice(0, position);
  }
  return entries;
}
