import type { Did } from "../identity/index.ts";
import {
  type BucketRange,
  compareVersions,
  type DigestRange,
  type Known,
  type Line,
  type OutgoingEntry,
  type OwnedVersion,
  type Version,
} from "./core-types.ts";
import { NEVER, outgoingOf, versionOf } from "./known.ts";
import { bucketOf } from "./shares-core.ts";
import type { Wanted } from "./wanted.ts";

export interface Reconciliation {
  /** What the other side lacks and is small. */
  readonly send: OutgoingEntry[];
  /** Owners whose record the other side lacks: it asks one of those that have it, and not everybody sends it. */
  readonly offer: Did[];
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
  const result: Reconciliation = { send: [], offer: [], want: [], equal: [] };
  const lacks = (own: Known, theirs: Version): void => {
    const outgoing = outgoingOf(own, theirs);
    if (outgoing.withRecord) result.offer.push(own.entry.owner);
    else result.send.push(outgoing);
  };
  for (const line of lines) {
    const own = known.get(line.owner);
    const order = own ? compareVersions(line, own.entry) : 1;
    if (order > 0 && wanted.ask(line.owner, line, nowMs)) result.want.push(versionOf(line.owner, own));
    if (order < 0 && own) lacks(own, line);
    if (order === 0) result.equal.push(line);
  }
  if (!range) return result;
  const listed = new Set(lines.map((line) => line.owner));
  for (const [owner, own] of known) {
    if (!listed.has(owner) && isIn(range, own)) lacks(own, NEVER);
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
