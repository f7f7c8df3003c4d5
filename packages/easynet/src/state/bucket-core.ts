/** Shares of the directory: its items are owners, its versions those of their entries. */
import type { Did } from "../identity/index.ts";
import { mixHash } from "../kernel/index.ts";
import type { Known, Line } from "./core-types.ts";
import { lineOf } from "./known.ts";
import { bucketOf, differingShares, sumShares } from "./shares-core.ts";

export interface Bucket {
  readonly bucket: number;
  readonly lines: readonly Line[];
}

export function sumsOf(all: ReadonlyMap<Did, Known>, salt: number): Uint32Array {
  return sumShares(all.values(), salt, (salted, { entry }) => mixHash(mixHash(salted, entry.epoch), entry.sequence));
}

/** All lines of those shares whose sums are not `theirs`. */
export function differingBuckets(
  all: ReadonlyMap<Did, Known>,
  salt: number,
  { own, theirs }: { readonly own: Uint32Array; readonly theirs: Uint32Array },
): Bucket[] {
  const differing = new Map<number, Line[]>(differingShares(own, theirs).map((bucket) => [bucket, []]));
  if (differing.size === 0) return [];
  for (const [owner, known] of all) differing.get(bucketOf(known, salt))?.push(lineOf(owner, known));
  return Array.from(differing, ([bucket, lines]) => ({ bucket, lines }));
}
