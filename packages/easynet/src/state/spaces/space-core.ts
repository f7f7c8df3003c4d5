/**
 * One space on one replica as plain state: entries, what of the space is known, the clock. Changes are pushed by their
 * writer; a replica that missed some asks with its version vector and gets just those entries of which it does not know
 * every write (delta state, Almeida et al. 2018, section 4). What the vectors claim is checked by sums of shares. Deletes
 * are remembered for TOMBSTONE_MS; after that the vector alone says that they were: what it covers and is not there was
 * deleted, so nothing comes back to life however long a replica was away.
 */
import { EasynetError } from "../../kernel/index.ts";
import { HybridClock, isStamp, SKEW_MS_MAX, VersionVector, type Dot } from "../clocks/index.ts";
import { bucketOf, sumShares } from "../shares-core.ts";
import {
  bytesOf,
  type Covers,
  emptyEntry,
  type Entry,
  hasDot,
  type Incoming,
  isTombstone,
  looseDots,
  type Merged,
  mergeEntry,
  mixEntry,
  type Sibling,
} from "./entry-core.ts";
import { Knowledge } from "./knowledge-core.ts";
import { SIBLINGS_COUNT_MAX } from "./limits.ts";
import { planChange } from "./rules-core.ts";
import type { Change, SpaceSpec } from "./types.ts";

/** How long deletes are remembered one by one, ms: a replica that was away for longer gets a list of all keys instead. */
export const TOMBSTONE_MS = 86_400_000;
/** What arrives is taken up to this many times the limits of the space: replicas that wrote at the same time agree all the same. */
const ARRIVING_SHARE = 2;
/** Counters of one second of the writer's epoch, so that one that lost its memory never uses a counter again. */
const COUNTERS_PER_EPOCH = 2 ** 20;

export interface SpaceCoreOptions {
  readonly name: string;
  readonly self: string;
  /** Rises with each start of the node, at least as fast as seconds do. */
  readonly epoch: number;
  readonly spec: SpaceSpec;
  /** What an earlier life of this replica kept. */
  readonly kept?: Kept;
}

export interface Kept {
  readonly entries: Iterable<Entry>;
  readonly vector: VersionVector;
  readonly dropped: VersionVector;
}

/** One change as its writer tells it. */
export interface Told {
  readonly key: string;
  readonly sibling: Sibling;
  /** Counter of the writer's change before this one. */
  readonly previous: number;
  readonly superseded: readonly Dot[];
}

export interface Written extends Merged {
  readonly told: Told;
}

export interface WriteManner {
  /** Wall clock. */
  readonly nowMs: number;
  /** keep-both: the caller decides a conflict. */
  readonly resolve?: boolean;
  /** keep-both: next to what is there, as if neither knew of the other. */
  readonly beside?: boolean;
  /** Of what the majority agreed on. */
  readonly revision?: number;
}

/** A key and which writes of it are there: a line of a digest. */
export interface Line {
  readonly key: string;
  readonly dots: readonly Dot[];
}

export interface Compared {
  /** What the other side lacks or has to forget. */
  readonly send: readonly Entry[];
  /** Keys of which this side lacks something. */
  readonly want: readonly string[];
  readonly merged: readonly Merged[];
}

const NOTHING_MORE: Covers = () => false;

export class SpaceCore {
  readonly name: string;
  readonly #self: string;
  readonly #entries = new Map<string, Entry>();
  readonly #knowledge: Knowledge;
  /** Deletes that are no longer remembered one by one. */
  readonly #dropped: VersionVector;
  readonly #clock = new HybridClock();
  readonly #covers: Covers;
  #counter: number;
  #entriesCount = 0;
  #bytes = 0;
  spec: SpaceSpec;

  constructor({ name, self, epoch, spec, kept }: SpaceCoreOptions) {
    this.name = name;
    this.#self = self;
    this.spec = spec;
    this.#knowledge = new Knowledge(kept?.vector);
    this.#dropped = kept?.dropped ?? new VersionVector();
    this.#covers = (dot) => this.vector.covers(dot);
    for (const entry of kept?.entries ?? []) {
      this.#keep(entry);
      for (const sibling of entry.siblings) this.#clock.observe(sibling, Infinity);
    }
    this.#counter = Math.max(this.vector.get(self), epoch * COUNTERS_PER_EPOCH);
  }

  /** Everything that is known here: each change that it covers is there or was overwritten. */
  get vector(): VersionVector {
    return this.#knowledge.vector;
  }

  get dropped(): VersionVector {
    return this.#dropped;
  }

  /** Keys with a value, their bytes with those of the others, and deleted keys. */
  get counts(): { readonly entries: number; readonly bytes: number; readonly tombstones: number } {
    return { entries: this.#entriesCount, bytes: this.#bytes, tombstones: this.#entries.size - this.#entriesCount };
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  /** undefined: nothing to do. @throws {EasynetError} SPACE_FULL, STATE_CONFLICT, INVALID_ARGUMENT */
  change(
    key: string,
    change: Change,
    { nowMs, resolve = false, beside = false, revision = 0 }: WriteManner,
  ): Written | undefined {
    const own = this.#entries.get(key) ?? emptyEntry(key);
    const planning = { rule: this.spec.merge, siblings: own.siblings, writer: this.#self, resolve, beside, key };
    const planned = planChange(change, planning);
    if (!planned) return undefined;
    this.#checkRoom(own, planned.value, planned.replaced);
    const { ms, count } = this.#clock.tick(nowMs);
    const previous = this.vector.get(this.#self);
    this.#counter += 1;
    const dot = { writer: this.#self, counter: this.#counter };
    const sibling: Sibling = { ...dot, ms, count, value: planned.value, revision };
    const replaced = planned.replaced.map(({ writer, counter }) => ({ writer, counter }));
    const superseded = own.superseded.length === 0 ? replaced : [...replaced, ...own.superseded];
    const merged = mergeEntry(own, { siblings: [sibling], superseded }, { own: this.#covers, theirs: NOTHING_MORE });
    this.#keep(merged.entry);
    this.#knowledge.arrived({ writer: this.#self, previous, counter: dot.counter });
    return { ...merged, told: { key, sibling, previous, superseded } };
  }

  /** Takes changes from their writer, in the order of their counters. `missing`: something before or between did not come. */
  hear(
    told: readonly Told[],
    nowMs: number,
  ): { readonly merged: readonly Merged[]; readonly missing: boolean; readonly refusedCount: number } {
    const merged: Merged[] = [];
    let missing = false;
    let refusedCount = 0;
    for (const { key, sibling, previous, superseded } of told) {
      const result = this.#take(key, { siblings: [sibling], superseded }, { nowMs, theirs: NOTHING_MORE });
      if (!result) {
        refusedCount += 1;
        missing = true;
        continue;
      }
      merged.push(...changed(result));
      const { writer, counter } = sibling;
      if (!this.#knowledge.arrived({ writer, previous, counter })) missing = true;
    }
    return { merged, missing, refusedCount };
  }

  /** Takes entries of a replica that knows all that `theirs` covers. */
  absorb(
    entries: readonly (Incoming & { readonly key: string })[],
    theirs: VersionVector,
    nowMs: number,
  ): { readonly merged: readonly Merged[]; readonly refusedCount: number } {
    const merged: Merged[] = [];
    let refusedCount = 0;
    const covers: Covers = (dot) => theirs.covers(dot);
    for (const entry of entries) {
      const result = this.#take(entry.key, entry, { nowMs, theirs: covers });
      if (result) merged.push(...changed(result));
      else refusedCount += 1;
    }
    return { merged, refusedCount };
  }

  /** Everything that `vector` covers was taken in. */
  learn(vector: VersionVector): void {
    this.#knowledge.merge(vector);
  }

  /** Entries of which a replica with that vector does not know every write. */
  *lacking(vector: VersionVector): Generator<Entry, void, void> {
    // Most entries have one sibling, and neighbours the same writer: this runs over all entries for each answer.
    let writer = "";
    let known = 0;
    for (const entry of this.#entries.values()) {
      for (const sibling of entry.siblings) {
        if (sibling.writer !== writer) {
          writer = sibling.writer;
          known = vector.get(writer);
        }
        if (sibling.counter <= known) continue;
        yield entry;
        break;
      }
    }
  }

  /** Whether {@link lacking} tells such a replica of every delete; otherwise it has to compare all lines. */
  remembersSince(vector: VersionVector): boolean {
    return vector.dominates(this.#dropped);
  }

  sums(salt: number): Uint32Array {
    return sumShares(this.#entries.values(), salt, mixEntry);
  }

  /** All keys with a value of some shares. */
  *lines(salt: number, buckets: ReadonlySet<number>): Generator<Line, void, void> {
    for (const entry of this.#entries.values()) {
      if (isTombstone(entry) || !buckets.has(bucketOf(entry, salt))) continue;
      yield { key: entry.key, dots: entry.siblings.filter(({ value }) => value !== undefined) };
    }
  }

  /** Compares all keys of some shares of a replica that knows all that `theirs` covers. What was deleted there goes here. */
  compare(
    lines: readonly Line[],
    { salt, buckets }: { readonly salt: number; readonly buckets: ReadonlySet<number> },
    theirs: VersionVector,
  ): Compared {
    const listed = new Map(lines.map((line) => [line.key, line.dots]));
    const [send, want, merged]: [Entry[], string[], Merged[]] = [[], [], []];
    for (const entry of this.#entries.values()) {
      if (!buckets.has(bucketOf(entry, salt))) continue;
      const dots = listed.get(entry.key) ?? [];
      const live = entry.siblings.filter(({ value }) => value !== undefined);
      const gone = live.filter((sibling) => !hasDot(dots, sibling) && theirs.covers(sibling));
      if (gone.length > 0) merged.push(...changed(this.#forget(entry, gone)));
      const here = this.#entries.get(entry.key)?.siblings ?? [];
      const lacks = here.some((sibling) => !hasDot(dots, sibling) && !theirs.covers(sibling));
      if (lacks || this.#isStale(dots, here)) send.push(this.#entries.get(entry.key) ?? emptyEntry(entry.key));
      if (dots.some((dot) => !hasDot(here, dot) && !this.#covers(dot))) want.push(entry.key);
      listed.delete(entry.key);
    }
    for (const [key, dots] of listed) {
      if (this.#isStale(dots, [])) send.push(emptyEntry(key));
      if (dots.some((dot) => !this.#covers(dot))) want.push(key);
    }
    return { send, want, merged };
  }

  /** Forgets deletes one by one: their keys. The vector still says that they were. */
  sweep(nowMs: number): string[] {
    const tombstones = [...this.#entries.values()].filter(isTombstone);
    const tooMany = tombstones.length - this.spec.entriesMax;
    if (tooMany > 0) tombstones.sort((one, other) => latestMs(one) - latestMs(other));
    const old = tombstones.filter((entry, index) => index < tooMany || latestMs(entry) < nowMs - TOMBSTONE_MS);
    const forgotten = old.filter(({ siblings, superseded }) => superseded.length === 0 && siblings.every(this.#covers));
    for (const { key, siblings } of forgotten) {
      for (const { writer, counter } of siblings) this.#dropped.advance(writer, counter);
      this.#entries.delete(key);
      this.#bytes -= key.length;
    }
    return forgotten.map(({ key }) => key);
  }

  #isStale(dots: readonly Dot[], here: readonly Sibling[]): boolean {
    return dots.some((dot) => !hasDot(here, dot) && this.#covers(dot));
  }

  #forget(entry: Entry, gone: readonly Sibling[]): Merged {
    const siblings = entry.siblings.filter((sibling) => !gone.includes(sibling));
    const superseded = looseDots([...entry.superseded, ...gone], this.#covers);
    const forgotten = { ...entry, siblings, superseded };
    this.#keep(forgotten);
    return { entry: forgotten, added: [], removed: gone };
  }

  /** undefined: refused, because a stamp lies too far ahead or there is no room even for what others have. */
  #take(
    key: string,
    incoming: Incoming,
    { nowMs, theirs }: { readonly nowMs: number; readonly theirs: Covers },
  ): Merged | undefined {
    if (incoming.siblings.some((sibling) => !isStamp(sibling) || sibling.ms > nowMs + SKEW_MS_MAX)) return undefined;
    const own = this.#entries.get(key);
    if (!own && !this.#hasRoomFor(incoming)) return undefined;
    const merged = mergeEntry(own ?? emptyEntry(key), incoming, { own: this.#covers, theirs });
    if (merged.entry.siblings.length > ARRIVING_SHARE * SIBLINGS_COUNT_MAX) return undefined;
    for (const sibling of incoming.siblings) this.#clock.observe(sibling, nowMs);
    if (merged.removed.length > 0) this.#forgetDeletes(merged.removed, incoming.superseded);
    if (own || merged.entry.siblings.length > 0 || merged.entry.superseded.length > 0) this.#keep(merged.entry);
    return merged;
  }

  /** Deletes that the other side forgot: from now on this side cannot tell of them one by one either. */
  #forgetDeletes(removed: readonly Sibling[], superseded: readonly Dot[]): void {
    for (const sibling of removed) {
      if (!sibling.value && !hasDot(superseded, sibling)) this.#dropped.advance(sibling.writer, sibling.counter);
    }
  }

  #hasRoomFor({ siblings }: Incoming): boolean {
    const { entriesMax, bytesMax } = this.spec;
    if (siblings.every(({ value }) => value === undefined)) return true;
    return this.#entriesCount < ARRIVING_SHARE * entriesMax && this.#bytes < ARRIVING_SHARE * bytesMax;
  }

  #checkRoom(own: Entry, value: Uint8Array | undefined, replaced: readonly Sibling[]): void {
    if (!value) return;
    const { entriesMax, bytesMax, valueBytesMax } = this.spec;
    if (value.length > valueBytesMax) {
      const reason = `it has ${value.length} bytes, ${valueBytesMax} are allowed in this space`;
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The value", reason });
    }
    const full = (limit: string): EasynetError => new EasynetError("SPACE_FULL", { space: this.name, limit });
    const freed = replaced.reduce((bytes, sibling) => bytes + (sibling.value?.length ?? 0), 0);
    const isNew = isTombstone(own);
    if (isNew && this.#entriesCount >= entriesMax) throw full(`${entriesMax} keys`);
    const bytes = this.#bytes + value.length - freed + (this.#entries.has(own.key) ? 0 : own.key.length);
    if (bytes > bytesMax && value.length > freed) throw full(`${bytesMax} bytes`);
    if (own.siblings.length - replaced.length >= SIBLINGS_COUNT_MAX) throw full(`${SIBLINGS_COUNT_MAX} elements`);
  }

  #keep(entry: Entry): void {
    const before = this.#entries.get(entry.key);
    if (before) {
      this.#bytes -= bytesOf(before);
      if (!isTombstone(before)) this.#entriesCount -= 1;
    }
    if (entry.siblings.length === 0 && entry.superseded.length === 0) {
      this.#entries.delete(entry.key);
      return;
    }
    this.#entries.set(entry.key, entry);
    this.#bytes += bytesOf(entry);
    if (!isTombstone(entry)) this.#entriesCount += 1;
  }
}

function changed(merged: Merged): readonly Merged[] {
  return merged.added.length > 0 || merged.removed.length > 0 ? [merged] : [];
}

function latestMs({ siblings }: Entry): number {
  return siblings.reduce((latest, { ms }) => Math.max(latest, ms), 0);
}
