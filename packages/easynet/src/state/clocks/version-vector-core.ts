/**
 * Version vectors (Parker et al. 1983): for each writer, the largest of its counters that is known. A counter of a
 * writer rises with each of its changes and is never used twice. One vector is before another when it knows nothing
 * that the other does not; two that each know something else are concurrent.
 */
import { EasynetError } from "../../kernel/index.ts";

/** Writer and counter of one change: its name everywhere. */
export interface Dot {
  /** A writer, for instance the did of a node. */
  readonly writer: string;
  /** Whole number from 1; 0 = nothing yet. */
  readonly counter: number;
}

export type Order = "before" | "after" | "equal" | "concurrent";

/** Writers that one vector names at most; larger ones are refused when they are read. */
export const WRITERS_COUNT_MAX = 4096;

/** Letters of a token at most; a vector of WRITERS_COUNT_MAX writers with dids has about 300 kB. */
const TOKEN_LENGTH_MAX = 512 * 1024;

export class VersionVector {
  readonly #counters: Map<string, number>;

  constructor(counters: Iterable<readonly [string, number]> = []) {
    this.#counters = new Map(counters);
  }

  get size(): number {
    return this.#counters.size;
  }

  /** The largest known counter of a writer; 0 for who is not known. */
  get(writer: string): number {
    return this.#counters.get(writer) ?? 0;
  }

  /** Whether the change of that name is known. */
  covers({ writer, counter }: Dot): boolean {
    return counter <= this.get(writer);
  }

  /** Now knows that change, and by that every earlier one of its writer. */
  advance(writer: string, counter: number): void {
    if (counter > this.get(writer)) this.#counters.set(writer, counter);
  }

  /** Now knows all that `other` knows. */
  merge(other: VersionVector): void {
    for (const [writer, counter] of other.#counters) this.advance(writer, counter);
  }

  /** Whether it knows all that `other` knows. */
  dominates(other: VersionVector): boolean {
    for (const [writer, counter] of other.#counters) if (counter > this.get(writer)) return false;
    return true;
  }

  compare(other: VersionVector): Order {
    const [more, less] = [this.dominates(other), other.dominates(this)];
    if (more && less) return "equal";
    if (more) return "after";
    return less ? "before" : "concurrent";
  }

  /**
   * Forgets writers. Only for those of whom no change can still come, and of whom nobody will ask: a forgotten change
   * counts as unknown again.
   */
  prune(keep: (writer: string) => boolean): void {
    for (const writer of this.#counters.keys()) if (!keep(writer)) this.#counters.delete(writer);
  }

  copy(): VersionVector {
    return new VersionVector(this.#counters);
  }

  entries(): IterableIterator<[string, number]> {
    return this.#counters.entries();
  }

  toJSON(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counters);
  }
}

/** A vector as one word, for callers to carry: `writer:counter` in base 36, joined by commas, in order of writers. */
export function formatToken(vector: VersionVector): string {
  const words = Array.from(vector.entries(), ([writer, counter]) => `${writer}=${counter.toString(36)}`);
  return words.sort().join(",");
}

/** @throws {EasynetError} INVALID_ARGUMENT */
export function parseToken(token: string): VersionVector {
  const words = token === "" ? [] : token.slice(0, TOKEN_LENGTH_MAX + 1).split(",", WRITERS_COUNT_MAX + 1);
  const fits = token.length <= TOKEN_LENGTH_MAX && words.length <= WRITERS_COUNT_MAX;
  const counters = new Map<string, number>();
  for (const word of fits ? words : []) {
    const match = /^([^=,]{1,200})=([0-9a-z]{1,11})$/.exec(word);
    const counter = Number.parseInt(match?.[2] ?? "", 36);
    if (!match?.[1] || !Number.isSafeInteger(counter)) break;
    counters.set(match[1], counter);
  }
  if (!fits || counters.size !== words.length) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "The session token", reason: "it is none of this network" });
  }
  return new VersionVector(counters);
}
