/**
 * Is a history of one object linearizable? The search of Wing and Gong (1993) with the memo of Lowe (2017), as in
 * anishathalye/porcupine: events in order of time; take the first pending operation whose effect is possible; at the
 * return of an operation that has not been taken, go back. No configuration (operations taken, state) is entered twice.
 * Unlike there, operations without an answer need not be taken, and are not taken where they change nothing.
 */
import { IMPOSSIBLE, type Model, type Operation } from "./history.ts";
import { Memo } from "./memo.ts";

export type Found =
  | { readonly outcome: "linearizable" }
  /** No order explains the answer of the operation at this place of the history, given what was before. */
  | { readonly outcome: "violated"; readonly blocked: number }
  | { readonly outcome: "undecided" };

const HEAD = 0;

/**
 * Decides the history of one object. The work is exponential in how many operations overlap, in the worst case.
 * @param configurationCountMax configurations after which it gives up and answers `undecided`
 */
export function search<Call>(
  operations: readonly Operation<Call>[],
  model: Model<Call>,
  configurationCountMax: number,
): Found {
  return new Search(operations, model).run(configurationCountMax);
}

class Search<Call> {
  /** Invocations as `operation`, returns as `~operation`, in order of time, from place 1 on. */
  readonly #events: Int32Array;
  /** The places of what has not been taken, linked; HEAD closes the ring. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Place of the return of each operation; HEAD when it has none. */
  readonly #returns: Int32Array;
  readonly #effects: readonly ((state: number) => number)[];
  readonly #taken: Int32Array;
  readonly #memo: Memo;
  /** What has been taken, as places of invocations, and the state before each. */
  readonly #path: number[] = [];
  readonly #states: number[] = [];
  #state: number;
  #returnsLeft: number;

  constructor(operations: readonly Operation<Call>[], model: Model<Call>) {
    const events = eventsInOrder(operations);
    const length = events.length;
    this.#events = events;
    this.#next = new Int32Array(length);
    this.#previous = new Int32Array(length);
    this.#returns = new Int32Array(operations.length);
    for (let place = 0; place < length; place++) {
      this.#next[place] = (place + 1) % length;
      this.#previous[place] = (place + length - 1) % length;
      const event = events[place]!;
      if (place > HEAD && event < 0) this.#returns[~event] = place;
    }
    this.#effects = operations.map(({ call, returnedAt }) => model.effectOf(call, returnedAt !== Infinity));
    this.#taken = new Int32Array(Math.ceil(operations.length / 32));
    this.#memo = new Memo(this.#taken.length);
    this.#state = model.initial;
    this.#returnsLeft = length - 1 - operations.length;
  }

  run(configurationCountMax: number): Found {
    let blockedAt = HEAD;
    let place = this.#next[HEAD]!;
    while (this.#returnsLeft > 0) {
      const event = this.#events[place]!;
      if (place !== HEAD && event >= 0) {
        place = this.#take(place, event) ? this.#next[HEAD]! : this.#next[place]!;
        if (this.#memo.count > configurationCountMax) return { outcome: "undecided" };
        continue;
      }
      // The ring is never at its end here: some return is left, and blocks before it.
      if (place > blockedAt) blockedAt = place;
      const last = this.#path.pop();
      if (last === undefined) return { outcome: "violated", blocked: ~this.#events[blockedAt]! };
      this.#putBack(last);
      place = this.#next[last]!;
    }
    return { outcome: "linearizable" };
  }

  /** False when its effect is impossible here, is none, or leads where the search has been. */
  #take(place: number, operation: number): boolean {
    const before = this.#state;
    const after = this.#effects[operation]!(before);
    const returnAt = this.#returns[operation]!;
    if (after === IMPOSSIBLE || (returnAt === HEAD && after === before)) return false;
    const word = operation >> 5;
    const bit = 1 << (operation & 31);
    this.#taken[word]! |= bit;
    if (!this.#memo.add(this.#taken, after)) {
      this.#taken[word]! &= ~bit;
      return false;
    }
    this.#path.push(place);
    this.#states.push(before);
    this.#state = after;
    this.#unlink(place);
    if (returnAt === HEAD) return true;
    this.#unlink(returnAt);
    this.#returnsLeft -= 1;
    return true;
  }

  #putBack(place: number): void {
    const operation = this.#events[place]!;
    const returnAt = this.#returns[operation]!;
    if (returnAt !== HEAD) {
      this.#link(returnAt);
      this.#returnsLeft += 1;
    }
    this.#link(place);
    this.#taken[operation >> 5]! &= ~(1 << (operation & 31));
    this.#state = this.#states.pop()!;
  }

  #unlink(place: number): void {
    this.#next[this.#previous[place]!] = this.#next[place]!;
    this.#previous[this.#next[place]!] = this.#previous[place]!;
  }

  #link(place: number): void {
    this.#next[this.#previous[place]!] = place;
    this.#previous[this.#next[place]!] = place;
  }
}

/** Place 0 stands for the ends of the ring. At one moment everything is asked before anything returns: it overlaps. */
function eventsInOrder<Call>(operations: readonly Operation<Call>[]): Int32Array {
  const events: number[] = [];
  for (const [operation, { returnedAt }] of operations.entries()) {
    events.push(operation);
    if (returnedAt !== Infinity) events.push(~operation);
  }
  const timeOf = (event: number): number => (event < 0 ? operations[~event]!.returnedAt : operations[event]!.invokedAt);
  events.sort((one, other) => timeOf(one) - timeOf(other) || other - one);
  return Int32Array.from([0, ...events]);
}
