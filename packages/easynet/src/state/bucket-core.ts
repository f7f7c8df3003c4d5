/**
 * What a node knows as a few sums, so that two nodes that know the same find out with 300 bytes and not with a line for
 * each owner (Demers et al. 1987, section 1.3, checksums). Each sum stands for a share of all owners; only shares that
 * differ are compared line by line. The salt is new each time: two states that have one sum by accident differ next time.
 */
import type { Did } from "../identity/index.ts";
import { mixHash } from "../kernel/index.ts";
import type { Known, Line } from "./core-types.ts";
import { lineOf } from "./known.ts";

/** Shares of all owners; with 5,000 owners one has about 80. */
export const BUCKETS_COUNT = 64;

export interface Bucket {
  readonly bucket: number;
  readonly lines: readonly Line[];
}

/** The share that an owner belongs to under a salt. */
export function bucketOf({ hash }: Pick<Known, "hash">, salt: number): number {
  return mixHash(hash, salt) % BUCKETS_COUNT;
}

/** One sum per share, over owners and versions; independent of their order. */
export function sumsOf(all: ReadonlyMap<Did, Known>, salt: number): Uint32Array {
  const sums = new Uint32Array(BUCKETS_COUNT);
  for (const { hash, entry } of all.values()) {
    const salted = mixHash(hash, salt);
    const bucket = salted % BUCKETS_COUNT;
    sums[bucket] = (sums[bucket] ?? 0) + mixHash(mixHash(salted, entry.epoch), entry.sequence);
  }
  return sums;
}

/** All lines of those shares whose sums are not `theirs`. */
export function differingBuckets(
  all: ReadonlyMap<Did, Known>,
  salt: number,
  { own, theirs }: { readonly own: Uint32Array; readonly theirs: Uint32Array },
): Bucket[] {
  const differing = new Map<number, Line[]>();
  for (const [bucket, sum] of own.entries()) if (sum !== theirs[bucket]) differing.set(bucket, []);
  if (differing.size === 0) return [];
  for (const [owner, known] of all) differing.get(bucketOf(known, salt))?.push(lineOf(owner, known));
  return Array.from(differing, ([bucket, lines]) => ({ bucket, lines }));
}
