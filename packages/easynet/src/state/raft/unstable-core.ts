import { assert } from "../../kernel/index.ts";
import type { Entry, RaftLogger, Snapshot } from "./types.ts";

export interface EntryId {
  readonly term: number;
  readonly index: number;
}

/**
 * The end of the log that is not known to be durable: entries (from `offset` on) and perhaps a snapshot, of which a
 * beginning may already be in the hands of storage (after log_unstable.go of etcd-io/raft, Apache-2.0). What is handed
 * out stays here until it is durable, because storage does not have it before.
 */
export class Unstable {
  snapshot: Snapshot | undefined;
  entries: Entry[] = [];
  /** Index of `entries[0]`; below the end of storage when storage still has to cut off. */
  offset: number;
  /** Index after the last entry that is being written; at least `offset`. */
  offsetInProgress: number;
  #snapshotInProgress = false;
  readonly #logger: RaftLogger | undefined;

  constructor(offset: number, logger: RaftLogger | undefined) {
    this.offset = offset;
    this.offsetInProgress = offset;
    this.#logger = logger;
  }

  /** Index of the last entry, or of the snapshot; undefined when there is neither. */
  get lastIndex(): number | undefined {
    if (this.entries.length > 0) return this.offset + this.entries.length - 1;
    return this.snapshot?.metadata.index;
  }

  term(index: number): number | undefined {
    if (index >= this.offset) return this.entries[index - this.offset]?.term;
    return this.snapshot?.metadata.index === index ? this.snapshot.metadata.term : undefined;
  }

  get hasNextEntries(): boolean {
    return this.entries.length > this.offsetInProgress - this.offset;
  }

  /** What is not yet being written. */
  nextEntries(): readonly Entry[] {
    return this.hasNextEntries ? this.entries.slice(this.offsetInProgress - this.offset) : [];
  }

  get nextSnapshot(): Snapshot | undefined {
    return this.#snapshotInProgress ? undefined : this.snapshot;
  }

  /** Everything here is being written from now on. */
  acceptInProgress(): void {
    this.offsetInProgress = this.offset + this.entries.length;
    if (this.snapshot) this.#snapshotInProgress = true;
  }

  /** Everything up to this entry is durable, and no write under way can undo that. */
  stableTo({ term, index }: EntryId): void {
    const known = this.term(index);
    if (known === undefined) {
      this.#logger?.("info", `entry at index ${index} missing from unstable log; ignoring`);
    } else if (index < this.offset) {
      this.#logger?.("info", `entry at index ${index} matched unstable snapshot; ignoring`);
    } else if (known !== term) {
      const ids = `(index,term)=(${index},${term}) mismatched with entry at (${index},${known})`;
      this.#logger?.("info", `entry at ${ids} in unstable log; ignoring`);
    } else {
      this.entries = this.entries.slice(index + 1 - this.offset);
      this.offset = index + 1;
      this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);
    }
  }

  stableSnapshotTo(index: number): void {
    if (this.snapshot?.metadata.index !== index) return;
    this.snapshot = undefined;
    this.#snapshotInProgress = false;
  }

  restore(snapshot: Snapshot): void {
    this.offset = snapshot.metadata.index + 1;
    this.offsetInProgress = this.offset;
    this.entries = [];
    this.snapshot = snapshot;
    this.#snapshotInProgress = false;
  }

  /** @param entries consecutive; they replace everything from the index of the first one on */
  truncateAndAppend(entries: readonly Entry[]): void {
    const from = entries[0]?.index;
    if (from === undefined) return;
    if (from === this.offset + this.entries.length) {
      for (const entry of entries) this.entries.push(entry);
    } else if (from <= this.offset) {
      this.#logger?.("info", `replace the unstable entries from index ${from}`);
      this.entries = [...entries];
      this.offset = from;
      this.offsetInProgress = from;
    } else {
      this.#logger?.("info", `truncate the unstable entries before index ${from}`);
      this.entries = [...this.slice(this.offset, from), ...entries];
      this.offsetInProgress = Math.min(this.offsetInProgress, from);
    }
  }

  /** All entries from `low` to before `high`, which must be here. */
  slice(low: number, high: number): readonly Entry[] {
    const end = this.offset + this.entries.length;
    assert(this.offset <= low && low <= high && high <= end, `unstable.slice[${low},${high}) is out of bound`);
    return this.entries.slice(low - this.offset, high - this.offset);
  }
}
