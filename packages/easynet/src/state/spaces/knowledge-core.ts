/**
 * Which changes of a space a replica knows: a version vector, and what arrived before its predecessors. Each change
 * names the counter of the one before it of its writer, so that counters may leap (a writer that lost its memory goes on
 * far above) and a missing change is noticed all the same.
 */
import { VersionVector } from "../clocks/index.ts";
import { GAPS_COUNT_MAX } from "./limits.ts";

/** Changes of a writer after `previous` up to `counter`. */
export interface Interval {
  readonly writer: string;
  readonly previous: number;
  readonly counter: number;
}

export class Knowledge {
  readonly vector: VersionVector;
  readonly #early = new Map<string, Interval[]>();

  constructor(vector = new VersionVector()) {
    this.vector = vector;
  }

  /** All changes of that interval were taken in. False: some before it are missing. */
  arrived(interval: Interval): boolean {
    const { writer } = interval;
    const waiting = this.#early.get(writer) ?? [];
    if (waiting.length < GAPS_COUNT_MAX) waiting.push(interval);
    this.#early.set(writer, waiting);
    this.#close(writer);
    return !this.#early.has(writer);
  }

  /** Knows all that `vector` covers. */
  merge(vector: VersionVector): void {
    this.vector.merge(vector);
    for (const writer of this.#early.keys()) this.#close(writer);
  }

  #close(writer: string): void {
    let waiting = this.#early.get(writer) ?? [];
    for (let moved = true; moved;) {
      const known = this.vector.get(writer);
      const next = waiting.find(({ previous, counter }) => previous <= known && counter > known);
      moved = next !== undefined;
      if (next) this.vector.advance(writer, next.counter);
    }
    const known = this.vector.get(writer);
    waiting = waiting.filter(({ counter }) => counter > known);
    if (waiting.length === 0) this.#early.delete(writer);
    else this.#early.set(writer, waiting);
  }
}
