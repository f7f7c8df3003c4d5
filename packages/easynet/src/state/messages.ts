import type { Did } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import type { NodeLoad } from "../model/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";
import type { Bucket } from "./bucket-core.ts";
import {
  type BucketRange,
  type DigestRange,
  type Line,
  type OutgoingEntry,
  type OwnedVersion,
  type View,
  VIEWS,
} from "./core-types.ts";
import type { DidCache } from "./did-cache.ts";
import { countFrom } from "./entry-codec.ts";
import { ENTRIES_COUNT_MAX, ENTRIES_FRAME_BYTES, LINES_COUNT_MAX, LINES_PER_PAGE } from "./limits.ts";
import { BUCKETS_COUNT, sumsFromBytes, sumsToBytes } from "./shares-core.ts";

/** First number of a `directory-digest` body (docs/protocol/directory.md). */
const KIND = { digest: 1, news: 2, want: 3, suspect: 4, vouch: 5, sums: 6, buckets: 7 } as const;

export type DirectoryMessage =
  | { readonly kind: "lines"; readonly lines: readonly Line[]; readonly range?: DigestRange | BucketRange }
  | { readonly kind: "sums"; readonly salt: number; readonly sums: Uint32Array; readonly own: readonly Line[] }
  | { readonly kind: "wanted"; readonly versions: readonly OwnedVersion[] }
  | { readonly kind: "suspected"; readonly owners: readonly Did[] }
  | { readonly kind: "vouched"; readonly owners: readonly Did[] };

/** An entry as it arrived: its signature and record are unchecked. */
export interface RawEntry {
  readonly header: Uint8Array;
  readonly signature: Uint8Array;
  readonly view: View;
  readonly recordBytes: Uint8Array | undefined;
}

/** All lines in pages; together the pages cover every did there can be. */
export function encodeDigest(lines: readonly Line[]): Uint8Array[] {
  const sorted = [...lines].sort((one, other) => (one.owner < other.owner ? -1 : 1));
  const pages: Uint8Array[] = [];
  let after = "";
  for (let start = 0; start === 0 || start < sorted.length; start += LINES_PER_PAGE) {
    const page = sorted.slice(start, start + LINES_PER_PAGE);
    const last = start + LINES_PER_PAGE >= sorted.length;
    const upTo = last ? null : (page.at(-1)?.owner ?? null);
    pages.push(encodeValue([KIND.digest, after, upTo, page.map(lineFields)]));
    after = upTo ?? "";
  }
  return pages;
}

export function encodeSums(salt: number, sums: Uint32Array, own: readonly Line[]): Uint8Array {
  return encodeValue([KIND.sums, salt, sumsToBytes(sums), own.map(lineFields)]);
}

/** Whole shares in pages of about LINES_PER_PAGE. */
export function encodeBuckets(salt: number, buckets: readonly Bucket[]): Uint8Array[] {
  const pages: Uint8Array[] = [];
  let numbers: number[] = [];
  let lines: Line[] = [];
  for (const [index, { bucket, lines: added }] of buckets.entries()) {
    numbers.push(bucket);
    lines.push(...added);
    if (lines.length < LINES_PER_PAGE && index < buckets.length - 1) continue;
    pages.push(encodeValue([KIND.buckets, salt, numbers, lines.map(lineFields)]));
    numbers = [];
    lines = [];
  }
  return pages;
}

export function encodeNews(lines: readonly Line[]): Uint8Array[] {
  return inPages(lines, (page) => [KIND.news, page.map(lineFields)]);
}

export function encodeWant(versions: readonly OwnedVersion[]): Uint8Array[] {
  return inPages(versions, (page) => [KIND.want, page.map(({ owner, epoch, sequence }) => [owner, epoch, sequence])]);
}

export function encodeOwners(about: "suspect" | "vouch", owners: readonly Did[]): Uint8Array[] {
  return inPages(owners, (page) => [KIND[about], page]);
}

function inPages<Item>(items: readonly Item[], fields: (page: readonly Item[]) => unknown): Uint8Array[] {
  const pages: Uint8Array[] = [];
  for (let start = 0; start < items.length; start += LINES_PER_PAGE) {
    pages.push(encodeValue(fields(items.slice(start, start + LINES_PER_PAGE))));
  }
  return pages;
}

/** Entries packed into frames of about ENTRIES_FRAME_BYTES. */
export function encodeEntries(entries: readonly OutgoingEntry[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let batch: unknown[] = [];
  let batchBytes = 0;
  const flush = (): void => {
    if (batch.length > 0) frames.push(encodeValue(batch));
    batch = [];
    batchBytes = 0;
  };
  for (const { entry, view, withRecord } of entries) {
    const { header, signature, recordBytes } = entry.sealed;
    const record = withRecord ? (recordBytes ?? null) : null;
    const bytes = header.length + signature.length + (record?.length ?? 0);
    if (batchBytes + bytes > ENTRIES_FRAME_BYTES) flush();
    batch.push([header, signature, VIEWS.indexOf(view), record]);
    batchBytes += bytes;
  }
  flush();
  return frames;
}

export function encodeLoad({ running, queued, slots, cpuRatio, memoryRatio }: NodeLoad): Uint8Array {
  return encodeValue([running, queued, slots, cpuRatio, memoryRatio]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeMessage(bytes: Uint8Array, dids: DidCache): DirectoryMessage {
  const [kind, first, second, third] = list(decodeValue(bytes), 8);
  switch (kind) {
    case KIND.digest: {
      if (typeof first !== "string" || (second !== null && typeof second !== "string")) throw malformed("a range");
      return { kind: "lines", lines: linesFrom(third, dids), range: { after: first, upTo: second ?? undefined } };
    }
    case KIND.sums:
      return { kind: "sums", salt: saltFrom(first), sums: sumsFrom(second), own: linesFrom(third, dids) };
    case KIND.buckets: {
      const range = { salt: saltFrom(first), buckets: new Set(list(second, BUCKETS_COUNT).map(bucketFrom)) };
      return { kind: "lines", lines: linesFrom(third, dids), range };
    }
    case KIND.news:
      return { kind: "lines", lines: linesFrom(first, dids) };
    case KIND.want:
      return { kind: "wanted", versions: list(first, LINES_COUNT_MAX).map((item) => versionFrom(list(item, 8), dids)) };
    case KIND.suspect:
      return { kind: "suspected", owners: list(first, LINES_COUNT_MAX).map((owner) => dids.parse(owner)) };
    case KIND.vouch:
      return { kind: "vouched", owners: list(first, LINES_COUNT_MAX).map((owner) => dids.parse(owner)) };
    default:
      throw malformed("its kind is unknown");
  }
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeEntries(bytes: Uint8Array): RawEntry[] {
  return list(decodeValue(bytes), ENTRIES_COUNT_MAX).map((item) => {
    const [header, signature, viewIndex, recordBytes] = list(item, 8);
    const view = viewFrom(viewIndex);
    if (!(header instanceof Uint8Array) || !(signature instanceof Uint8Array)) throw malformed("an entry's bytes");
    if (recordBytes !== null && !(recordBytes instanceof Uint8Array)) throw malformed("an entry's record");
    return { header, signature, view, recordBytes: recordBytes ?? undefined };
  });
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeLoad(bytes: Uint8Array): NodeLoad {
  const [running, queued, slots, cpuRatio, memoryRatio] = list(decodeValue(bytes), 16);
  if (!isRatio(cpuRatio) || !isRatio(memoryRatio)) throw malformed("a load's ratios");
  return {
    running: countFrom(running, "a load's running tasks"),
    queued: countFrom(queued, "a load's waiting tasks"),
    slots: countFrom(slots, "a load's slots"),
    cpuRatio,
    memoryRatio,
  };
}

function saltFrom(value: unknown): number {
  const salt = countFrom(value, "a digest's salt");
  if (salt > 0xffff_ffff) throw malformed("a digest's salt");
  return salt;
}

function bucketFrom(value: unknown): number {
  const bucket = countFrom(value, "a digest's share");
  if (bucket >= BUCKETS_COUNT) throw malformed("a digest's share");
  return bucket;
}

function sumsFrom(value: unknown): Uint32Array {
  const sums = sumsFromBytes(value);
  if (!sums) throw malformed("a digest's sums");
  return sums;
}

function lineFields({ owner, epoch, sequence, view }: Line): readonly unknown[] {
  return [owner, epoch, sequence, VIEWS.indexOf(view)];
}

function linesFrom(value: unknown, dids: DidCache): Line[] {
  return list(value, LINES_COUNT_MAX).map((item) => {
    const fields = list(item, 8);
    return { ...versionFrom(fields, dids), view: viewFrom(fields[3]) };
  });
}

function versionFrom(fields: readonly unknown[], dids: DidCache): OwnedVersion {
  const [owner, epoch, sequence] = fields;
  return {
    owner: dids.parse(owner),
    epoch: countFrom(epoch, "a directory line's epoch"),
    sequence: countFrom(sequence, "a directory line's sequence"),
  };
}

function viewFrom(value: unknown): View {
  const view = typeof value === "number" ? VIEWS[value] : undefined;
  if (!view) throw malformed("a view");
  return view;
}

function list(value: unknown, countMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > countMax) throw malformed("a list");
  return value;
}

function isRatio(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 1;
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `directory message: ${what}` });
}
