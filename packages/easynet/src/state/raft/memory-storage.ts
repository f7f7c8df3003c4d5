import { assert } from "../../kernel/index.ts";
import { limitEntries, NO_DATA } from "./entries.ts";
import type { ConfState, Entry, HardState, Missing, RaftStorage, Snapshot } from "./types.ts";

const NO_MEMBERS: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const EMPTY_HARD_STATE: HardState = { term: 0, vote: 0, commit: 0 };
const EMPTY_SNAPSHOT: Snapshot = { data: NO_DATA, metadata: { index: 0, term: 0, confState: NO_MEMBERS } };

/**
 * Raft storage in memory, for tests and simulations, and for a log whose durable copy is written elsewhere in the same
 * order (after MemoryStorage of etcd-io/raft, Apache-2.0).
 */
export class MemoryStorage implements RaftStorage {
  #hardState = EMPTY_HARD_STATE;
  #snapshot = EMPTY_SNAPSHOT;
  /** The first one stands for everything before the log: only its index and term mean anything. */
  #entries: Entry[] = [{ term: 0, index: 0, type: "EntryNormal", data: NO_DATA }];

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#snapshot.metadata.confState };
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  entries(low: number, high: number, bytesMax: number): readonly Entry[] | Missing {
    const offset = this.#offset;
    if (low <= offset) return "compacted";
    if (high > this.lastIndex() + 1) return "unavailable";
    return limitEntries(this.#entries.slice(low - offset, high - offset), bytesMax);
  }

  term(index: number): number | Missing {
    if (index < this.#offset) return "compacted";
    return this.#entries[index - this.#offset]?.term ?? "unavailable";
  }

  firstIndex(): number {
    return this.#offset + 1;
  }

  lastIndex(): number {
    return this.#offset + this.#entries.length - 1;
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  get #offset(): number {
    return this.#entries[0]?.index ?? 0;
  }

  /** Replaces the log by a snapshot. @returns false for one that is not newer */
  applySnapshot(snapshot: Snapshot): boolean {
    const { index, term } = snapshot.metadata;
    const known = this.#snapshot.metadata.index;
    if (known !== 0 && known >= index) return false;
    this.#snapshot = snapshot;
    this.#entries = [{ term, index, type: "EntryNormal", data: NO_DATA }];
    return true;
  }

  /** Makes the newest snapshot, which the log reaches. @returns undefined when there is one as new */
  createSnapshot(index: number, data: Uint8Array, confState?: ConfState): Snapshot | undefined {
    const { metadata } = this.#snapshot;
    if (index <= metadata.index) return undefined;
    const term = this.term(index);
    assert(typeof term === "number", `snapshot ${index} is out of bound (last index ${this.lastIndex()})`);
    this.#snapshot = { data, metadata: { index, term, confState: confState ?? metadata.confState } };
    return this.#snapshot;
  }

  /** Drops the entries up to `index`, which must have been applied. @returns false when they are gone already */
  compact(index: number): boolean {
    const offset = this.#offset;
    if (index <= offset) return false;
    const last = this.#entries[index - offset];
    assert(last, `compact ${index} is out of bound (last index ${this.lastIndex()})`);
    const first: Entry = { term: last.term, index, type: "EntryNormal", data: NO_DATA };
    this.#entries = [first, ...this.#entries.slice(index - offset + 1)];
    return true;
  }

  /** @param entries consecutive; they replace everything from the index of the first one on */
  append(entries: readonly Entry[]): void {
    const offset = this.#offset;
    const wanted = entries.filter(({ index }) => index > offset);
    const from = wanted[0]?.index;
    if (from === undefined) return;
    const at = from - offset;
    assert(at <= this.#entries.length, `missing log entry (last index ${this.lastIndex()}, append at ${from})`);
    if (at < this.#entries.length) this.#entries = this.#entries.slice(0, at);
    for (const entry of wanted) this.#entries.push(entry);
  }
}
