/**
 * What Raft promises (Ongaro and Ousterhout 2014, figure 3), checked at every step of a simulated group: one leader for
 * each term, equal logs up to any entry that two logs share, no two different entries applied at one place, and every
 * committed entry in the log of every later leader.
 */
import type { Entry } from "../../../packages/easynet/src/state/raft/types.ts";

interface Committed {
  readonly entry: Entry;
  /** Term of who applied it first: it was committed in this one or an earlier one. */
  readonly byTerm: number;
}

/** Entries of one term at one place are the same everywhere, and so is what stands before them. */
interface Written {
  readonly entry: Entry;
  readonly termBefore: number;
}

const PLACES_MAX = 1_000_000;

/** The terms of a member's log as its own core believes it to be, from `firstIndex` on. */
export class LogTerms {
  #firstIndex = 1;
  #terms: number[] = [];

  /** @param terms from `firstIndex` on */
  reset(firstIndex: number, terms: readonly number[]): void {
    this.#firstIndex = firstIndex;
    this.#terms = [...terms];
  }

  get lastIndex(): number {
    return this.#firstIndex + this.#terms.length - 1;
  }

  /** Undefined where the log holds nothing (any more). */
  at(index: number): number | undefined {
    return this.#terms[index - this.#firstIndex];
  }

  /** Replaces everything from `index` on; false when that would leave a gap. */
  write(index: number, term: number): boolean {
    const place = index - this.#firstIndex;
    if (place < 0 || place > this.#terms.length) return false;
    this.#terms.length = place;
    this.#terms.push(term);
    return true;
  }
}

export class RaftChecks {
  readonly problems: string[] = [];
  readonly #leaders = new Map<number, number>();
  readonly #written = new Map<number, Written>();
  readonly #committed: (Committed | undefined)[] = [];
  #lastCommitted = 0;

  get lastCommitted(): number {
    return this.#lastCommitted;
  }

  /** Terms that had a leader. */
  get leaderCount(): number {
    return this.#leaders.size;
  }

  /** What `log` holds from `first` to `last`. */
  entriesOf(log: LogTerms, first: number, last: number): readonly Entry[] {
    const entries: Entry[] = [];
    for (let index = first; index <= last; index++) {
      const written = this.#written.get((log.at(index) ?? 0) * PLACES_MAX + index);
      if (written) entries.push(written.entry);
    }
    return entries;
  }

  /** A member wrote entries, in its memory at least. */
  wrote(id: number, log: LogTerms, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { index, term, data } = entry;
      if (!log.write(index, term)) return this.#tell(`member ${id} wrote ${index} behind a gap`);
      const termBefore = log.at(index - 1) ?? 0;
      const place = term * PLACES_MAX + index;
      const before = this.#written.get(place);
      if (!before) this.#written.set(place, { entry, termBefore });
      else if (!same(before.entry.data, data) || (before.termBefore !== termBefore && termBefore !== 0)) {
        this.#tell(`log matching: member ${id} has another entry at ${index} of term ${term}`);
      }
    }
  }

  leads(id: number, term: number, log: LogTerms): void {
    const known = this.#leaders.get(term);
    if (known === id) return;
    if (known !== undefined) return this.#tell(`election safety: ${known} and ${id} lead in term ${term}`);
    this.#leaders.set(term, id);
    let index = this.#lastCommitted;
    while (index > 0 && (this.#committed[index]?.byTerm ?? 0) >= term) index -= 1;
    const expected = this.#committed[index]?.entry.term;
    if (expected !== undefined && log.at(index) !== expected) {
      this.#tell(`leader completeness: ${id} leads in term ${term} without entry ${index} of term ${expected}`);
    }
  }

  applied(id: number, byTerm: number, entry: Entry): void {
    const known = this.#committed[entry.index];
    if (!known) {
      this.#committed[entry.index] = { entry, byTerm };
      this.#lastCommitted = Math.max(this.#lastCommitted, entry.index);
    } else if (known.entry.term !== entry.term || !same(known.entry.data, entry.data)) {
      const terms = `of term ${entry.term}, another one of term ${known.entry.term}`;
      this.#tell(`state machine safety: ${id} applies entry ${entry.index} ${terms}`);
    }
  }

  #tell(problem: string): void {
    this.problems.push(problem);
  }
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return one === other || Buffer.compare(one, other) === 0;
}
