/**
 * The log of a node: what is durable, read from storage, and behind it what is not yet (after log.go of etcd-io/raft,
 * Apache-2.0). Always `applied <= applying <= committed <= lastIndex`.
 */
import { assert } from "../../kernel/index.ts";
import { entriesBytes, limitEntries } from "./entries.ts";
import type { Entry, Missing, RaftLogger, RaftStorage, Snapshot } from "./types.ts";
import { type EntryId, Unstable } from "./unstable-core.ts";

export interface RaftLogOptions {
  readonly storage: RaftStorage;
  /** Bytes of entries handed out to be applied and not yet applied. */
  readonly applyingBytesMax: number;
  readonly logger: RaftLogger | undefined;
}

export class RaftLog {
  committed: number;
  /** Handed out to be applied up to here. */
  applying: number;
  applied: number;
  readonly unstable: Unstable;
  readonly #storage: RaftStorage;
  readonly #applyingBytesMax: number;
  readonly #logger: RaftLogger | undefined;
  #applyingBytes = 0;
  #applyingPaused = false;

  constructor({ storage, applyingBytesMax, logger }: RaftLogOptions) {
    this.#storage = storage;
    this.#applyingBytesMax = applyingBytesMax;
    this.#logger = logger;
    this.unstable = new Unstable(storage.lastIndex() + 1, logger);
    this.committed = storage.firstIndex() - 1;
    this.applying = this.committed;
    this.applied = this.committed;
  }

  get firstIndex(): number {
    const { snapshot } = this.unstable;
    return snapshot ? snapshot.metadata.index + 1 : this.#storage.firstIndex();
  }

  get lastIndex(): number {
    return this.unstable.lastIndex ?? this.#storage.lastIndex();
  }

  lastEntryId(): EntryId {
    const index = this.lastIndex;
    const term = this.term(index);
    assert(typeof term === "number", `the term of the last index ${index} is ${term}`);
    return { term, index };
  }

  term(index: number): number | Missing {
    const unstable = this.unstable.term(index);
    if (unstable !== undefined) return unstable;
    if (index + 1 < this.firstIndex) return "compacted";
    if (index > this.lastIndex) return "unavailable";
    return this.#storage.term(index);
  }

  /** 0 for what is not in the log. */
  termOrZero(index: number): number {
    const term = this.term(index);
    return typeof term === "number" ? term : 0;
  }

  matchTerm({ term, index }: EntryId): boolean {
    return this.term(index) === term;
  }

  /** True when a log that ends with `last` has everything that a quorum may have committed, as far as this log knows. */
  isUpToDate(last: EntryId): boolean {
    const own = this.lastEntryId();
    return last.term > own.term || (last.term === own.term && last.index >= own.index);
  }

  /** Appends what a leader sent, if it fits behind `previous`. @returns the index of its last entry */
  maybeAppend(previous: EntryId, entries: readonly Entry[], committed: number): number | undefined {
    if (!this.matchTerm(previous)) return undefined;
    const last = previous.index + entries.length;
    const conflict = this.#findConflict(entries);
    if (conflict !== undefined) {
      assert(conflict > this.committed, `entry ${conflict} conflicts with a committed one (${this.committed})`);
      this.append(entries.slice(conflict - previous.index - 1));
    }
    this.commitTo(Math.min(committed, last));
    return last;
  }

  /** @returns the last index */
  append(entries: readonly Entry[]): number {
    const after = (entries[0]?.index ?? Infinity) - 1;
    assert(after >= this.committed, `append after ${after} is out of range (committed ${this.committed})`);
    this.unstable.truncateAndAppend(entries);
    return this.lastIndex;
  }

  /** Index of the first entry that this log has otherwise, or does not have. */
  #findConflict(entries: readonly Entry[]): number | undefined {
    for (const { term, index } of entries) {
      if (this.matchTerm({ term, index })) continue;
      if (index <= this.lastIndex) {
        const terms = `[existing term: ${this.termOrZero(index)}, conflicting term: ${term}]`;
        this.#logger?.("info", `found conflict at index ${index} ${terms}`);
      }
      return index;
    }
    return undefined;
  }

  /**
   * The last index up to `index` at which this log may match another one that has `term` at `index`: the first one
   * downwards whose term is not higher, or is not known (then with term 0).
   */
  findConflictByTerm(index: number, term: number): EntryId {
    for (let guess = index; guess > 0; guess--) {
      const own = this.term(guess);
      if (typeof own !== "number") return { index: guess, term: 0 };
      if (own <= term) return { index: guess, term: own };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: number): void {
    if (index <= this.committed) return;
    const { lastIndex } = this;
    assert(index <= lastIndex, `commit index ${index} is beyond the log's last index ${lastIndex}: was the log lost?`);
    this.committed = index;
  }

  /** Only what was appended in the leader's own term is committed by counting; everything before with it. */
  maybeCommit({ term, index }: EntryId): boolean {
    if (index <= this.committed || term === 0 || this.termOrZero(index) !== term) return false;
    this.commitTo(index);
    return true;
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.#applyingPaused || this.unstable.snapshot) return false;
    return this.applying < this.#appliableIndex(allowUnstable);
  }

  /** Committed entries that are not yet handed out; nothing while a snapshot waits to be applied. */
  nextCommitted(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return [];
    const bytesMax = this.#applyingBytesMax - this.#applyingBytes;
    const entries = this.slice(this.applying + 1, this.#appliableIndex(allowUnstable) + 1, bytesMax);
    assert(typeof entries !== "string", `committed entries after ${this.applying} cannot be read`);
    return entries;
  }

  acceptApplying(index: number, bytes: number, allowUnstable: boolean): void {
    assert(index <= this.committed, `applying ${index} is out of range (committed ${this.committed})`);
    this.applying = index;
    this.#applyingBytes += bytes;
    // Fewer than there are: the next one would go over the limit.
    this.#applyingPaused = this.#applyingFull || index < this.#appliableIndex(allowUnstable);
  }

  appliedTo(index: number, bytes: number): void {
    const { applied, committed } = this;
    assert(applied <= index && index <= committed, `applied ${index} is out of range [${applied}, ${committed}]`);
    this.applied = index;
    this.applying = Math.max(this.applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#applyingPaused = this.#applyingFull;
  }

  get #applyingFull(): boolean {
    return this.#applyingBytes >= this.#applyingBytesMax;
  }

  #appliableIndex(allowUnstable: boolean): number {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }

  snapshot(): Snapshot | "unavailable" {
    return this.unstable.snapshot ?? this.#storage.snapshot();
  }

  restore(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    this.#logger?.("info", `log [${this.#describe()}] starts to restore snapshot [index: ${index}, term: ${term}]`);
    this.committed = index;
    this.unstable.restore(snapshot);
  }

  #describe(): string {
    const { committed, applied, applying, unstable } = this;
    const { offset, offsetInProgress, entries } = unstable;
    const ends = `unstable.offset=${offset}, unstable.offsetInProgress=${offsetInProgress}`;
    return `committed=${committed}, applied=${applied}, applying=${applying}, ${ends}, len(unstable.Entries)=${entries.length}`;
  }

  /** From `index` to the end, at most `bytesMax` but at least one. */
  entries(index: number, bytesMax: number): readonly Entry[] | Missing {
    const { lastIndex } = this;
    return index > lastIndex ? [] : this.slice(index, lastIndex + 1, bytesMax);
  }

  /** From `low` to before `high`, at most `bytesMax` but at least one. */
  slice(low: number, high: number, bytesMax: number): readonly Entry[] | Missing {
    if (low < this.firstIndex) return "compacted";
    assert(low <= high && high <= this.lastIndex + 1, `slice[${low},${high}) is out of bound (last ${this.lastIndex})`);
    if (low === high) return [];
    const { offset } = this.unstable;
    if (low >= offset) return limitEntries(this.unstable.slice(low, high), bytesMax);
    const cut = Math.min(high, offset);
    const stored = this.#storage.entries(low, cut, bytesMax);
    if (stored === "compacted") return stored;
    assert(stored !== "unavailable", `entries[${low},${cut}) are not in storage`);
    if (high <= offset || stored.length < cut - low) return stored;
    const restBytes = bytesMax - entriesBytes(stored);
    if (restBytes <= 0) return stored;
    const rest = limitEntries(this.unstable.slice(offset, high), restBytes);
    return entriesBytes(rest) > restBytes ? stored : [...stored, ...rest];
  }

  /** Reads from `low` to before `high` in pages; true as soon as an entry passes. */
  some(low: number, high: number, passes: (entry: Entry) => boolean): boolean {
    for (let from = low; from < high;) {
      const page = this.slice(from, high, this.#applyingBytesMax);
      assert(typeof page !== "string" && page.length > 0, `entries[${from},${high}) cannot be read`);
      if (page.some(passes)) return true;
      from += page.length;
    }
    return false;
  }
}
