/**
 * What a node knows as a few sums, so that two nodes that know the same find out with 300 bytes and not with a line for
 * each item (Demers et al. 1987, section 1.3, checksums). Each sum stands for a share of all items; only shares that
 * differ are compared line by line. The salt is new each time: two states that have one sum by accident differ next time.
 */
import { mixHash } from "../kernel/index.ts";

/** Shares of all items; with 5,000 items one has about 80. */
export const BUCKETS_COUNT = 64;

/** Something that has a place among the shares. */
export interface Shared {
  /** Of its name; made once, because sums need it again and again. */
  readonly hash: number;
}

/** The share that an item belongs to under a salt. */
export function bucketOf({ hash }: Shared, salt: number): number {
  return mixHash(hash, salt) % BUCKETS_COUNT;
}

/** One sum per share, independent of the order of items. @param mix the hash of an item and its version goes on with `salted` */
export function sumShares<Item extends Shared>(
  items: Iterable<Item>,
  salt: number,
  mix: (salted: number, item: Item) => number,
): Uint32Array {
  const sums = new Uint32Array(BUCKETS_COUNT);
  for (const item of items) {
    const salted = mixHash(item.hash, salt);
    const bucket = salted % BUCKETS_COUNT;
    sums[bucket] = (sums[bucket] ?? 0) + mix(salted, item);
  }
  return sums;
}

/** The shares whose sums are not the same. */
export function differingShares(own: Uint32Array, theirs: Uint32Array): number[] {
  return Array.from(own.keys()).filter((bucket) => own[bucket] !== theirs[bucket]);
}

/** As sums travel: 4 bytes each, big-endian. */
export function sumsToBytes(sums: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(BUCKETS_COUNT * 4);
  const view = new DataView(bytes.buffer);
  for (const [bucket, sum] of sums.entries()) view.setUint32(bucket * 4, sum);
  return bytes;
}

/** undefined when it is not what {@link sumsToBytes} makes. */
export function sumsFromBytes(value: unknown): Uint32Array | undefined {
  if (!(value instanceof Uint8Array) || value.length !== BUCKETS_COUNT * 4) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Uint32Array.from({ length: BUCKETS_COUNT }, (_, bucket) => view.getUint32(bucket * 4));
}
