import type { Did } from "../identity/index.ts";
import { bucketOf } from "./bucket-core.ts";
import {
  type BucketRange,
  compareVersions,
  type DigestRange,
  type Known,
  type Line,
  type OutgoingEntry,
  type OwnedVersion,
} from "./core-types.ts";
import { NEVER, outgoingOf, versionOf } from "./known.ts";
import type { Wanted } from "./wanted.ts";

export interface Reconciliation {
  /** What the other side lacks. */
  readonly send: OutgoingEntry[];
  /** What we lack. */
  readonly want: OwnedVersion[];
  /** Lines of which both know the same version. */
  readonly equal: Line[];
}

export interface ReconcileInput {
  readonly lines: readonly Line[];
  /** Present when the lines are all that the sender knows of that range. */
  readonly range?: DigestRange | BucketRange;
  /** Monotonic ms. */
  readonly nowMs: number;
}

/** Compares what another node says it has with what is known here. */
export function reconcile(
  known: ReadonlyMap<Did, Known>,
  wanted: Wanted,
  { lines, range, nowMs }: ReconcileInput,
): Reconciliation {
  const result: Reconciliation = { send: [], want: [], equal: [] };
  for (const line of lines) {
    const own = known.get(line.owner);
    const order = own ? compareVersions(line, own.entry) : 1;
    if (order > 0 && wanted.ask(line.owner, line, nowMs)) result.want.push(versionOf(line.owner, own));
    if (order < 0 && own) result.send.push(outgoingOf(own, line));
    if (order === 0) result.equal.push(line);
  }
  if (!range) return result;
  const listed = new Set(lines.map((line) => line.owner));
  for (const [owner, own] of known) {
    if (!listed.has(owner) && isIn(range, own)) result.send.push(outgoingOf(own, NEVER));
  }
  return result;
}

function isIn(range: DigestRange | BucketRange, known: Known): boolean {
  if ("buckets" in range) return range.buckets.has(bucketOf(known, range.salt));
  const { owner } = known.entry;
  return owner > range.after && (range.upTo === undefined || owner <= range.upTo);
}

/** Entries of which the asker has an older version. */
export function answerWant(known: ReadonlyMap<Did, Known>, versions: readonly OwnedVersion[]): OutgoingEntry[] {
  return versions.flatMap((version) => {
    const own = known.get(version.owner);
    return own && compareVersions(own.entry, version) > 0 ? [outgoingOf(own, version)] : [];
  });
}
