/**
 * One key of a space: what was written and not overwritten, each write with its dot. Merging is that of the optimised
 * observed-remove set (Bieniusa et al. 2012, section 4): of what one side has and the other has not, that stays which the
 * other never knew. Every write, a delete too, leaves one sibling, so that a version vector says what a replica lacks.
 * What several siblings mean is the rule's business (rules-core.ts), and not that of merging.
 */
import { hashText, mixHash } from "../../kernel/index.ts";
import type { Dot, Stamp } from "../clocks/index.ts";

/** A write that nobody is known to have overwritten. */
export interface Sibling extends Dot, Stamp {
  /** Encoded; undefined = a delete. */
  readonly value: Uint8Array | undefined;
  /** Number of the linearizable write that it repeats; 0 = none. */
  readonly revision: number;
}

export interface Entry {
  readonly key: string;
  readonly hash: number;
  readonly siblings: readonly Sibling[];
  /** Overwritten writes that the space's vector does not cover yet: they may still arrive. */
  readonly superseded: readonly Dot[];
}

/** An entry, or a part of one, that came from somewhere else. */
export interface Incoming {
  readonly siblings: readonly Sibling[];
  readonly superseded: readonly Dot[];
}

export type Covers = (dot: Dot) => boolean;

export interface Merged {
  readonly entry: Entry;
  /** Siblings that were not here before. */
  readonly added: readonly Sibling[];
  /** Siblings that are no longer here. */
  readonly removed: readonly Sibling[];
}

const NOTHING: readonly never[] = [];

export function emptyEntry(key: string): Entry {
  return { key, hash: hashText(key, 0), siblings: NOTHING, superseded: NOTHING };
}

export function isSameDot(one: Dot, other: Dot): boolean {
  return one.counter === other.counter && one.writer === other.writer;
}

export function hasDot(dots: readonly Dot[], dot: Dot): boolean {
  for (const each of dots) if (isSameDot(each, dot)) return true;
  return false;
}

/** @param covers what each side knows beside the entry: the vector of this replica, and that of the sender (none for a single change) */
export function mergeEntry(
  own: Entry,
  incoming: Incoming,
  covers: { readonly own: Covers; readonly theirs: Covers },
): Merged {
  const one = replaceOne(own, incoming, covers);
  if (one) return one;
  const added = incoming.siblings.filter(
    (sibling) => !hasDot(own.siblings, sibling) && !covers.own(sibling) && !hasDot(own.superseded, sibling),
  );
  const removed = own.siblings.filter(
    (sibling) =>
      !hasDot(incoming.siblings, sibling) && (hasDot(incoming.superseded, sibling) || covers.theirs(sibling)),
  );
  const kept = removed.length === 0 ? own.siblings : own.siblings.filter((sibling) => !removed.includes(sibling));
  const siblings = added.length === 0 ? kept : [...kept, ...added];
  const superseded = looseDots([...own.superseded, ...incoming.superseded, ...removed], covers.own);
  return { entry: { key: own.key, hash: own.hash, siblings, superseded }, added, removed };
}

/** The common case without detours: one write takes the place of another, or is the first. */
function replaceOne(
  own: Entry,
  { siblings, superseded }: Incoming,
  covers: { readonly own: Covers; readonly theirs: Covers },
): Merged | undefined {
  const [incoming] = siblings;
  const [before] = own.siblings;
  if (!incoming || siblings.length > 1 || own.siblings.length > 1 || own.superseded.length > 0) return undefined;
  if (covers.own(incoming)) return undefined;
  if (before && (isSameDot(before, incoming) || !(hasDot(superseded, before) || covers.theirs(before))))
    return undefined;
  const dots = before && !hasDot(superseded, before) ? [...superseded, before] : superseded;
  const loose = looseDots(dots, covers.own);
  const entry = { key: own.key, hash: own.hash, siblings, superseded: loose };
  return { entry, added: siblings, removed: before ? own.siblings : NOTHING };
}

/** Those that the vector does not cover, each once. */
export function looseDots(dots: readonly Dot[], covers: Covers): readonly Dot[] {
  if (dots.length === 0) return NOTHING;
  const loose: Dot[] = [];
  for (const dot of dots) {
    if (!covers(dot) && !hasDot(loose, dot)) loose.push({ writer: dot.writer, counter: dot.counter });
  }
  return loose.length === 0 ? NOTHING : loose;
}

/** The part of a share's sum that stands for one entry; deletes do not count, because replicas forget them at different times. */
export function mixEntry(salted: number, { siblings }: Entry): number {
  let sum = 0;
  for (const { writer, counter, value } of siblings) {
    if (value) sum = (sum + mixHash(mixHash(salted, hashText(writer, 0)), counter)) >>> 0;
  }
  return sum;
}

/** Whether nothing but deletes is left. */
export function isTombstone({ siblings }: Entry): boolean {
  for (const { value } of siblings) if (value !== undefined) return false;
  return true;
}

/** What an entry counts towards the limit of bytes. */
export function bytesOf({ key, siblings }: Entry): number {
  let bytes = key.length;
  for (const { value } of siblings) bytes += value?.length ?? 0;
  return bytes;
}
