/**
 * Is a history of transactions over lists strictly serializable? As Elle does it (Kingsbury and Alvaro 2020, section 4):
 * every element is appended to a key once, so that a list that was read shows in which order the transactions before it
 * wrote. From that follow who read from whom, who wrote after whom and who read before whom; with who ended before whom
 * began, these may not form a circle.
 */

export type MicroOperation =
  | { readonly kind: "append"; readonly key: string; readonly element: number }
  /** What was seen; not looked at unless the transaction was answered. */
  | { readonly kind: "read"; readonly key: string; readonly list: readonly number[] };

export interface ListTransaction {
  readonly operations: readonly MicroOperation[];
  readonly invokedAt: number;
  /** Infinity when no answer came: it may have taken place. */
  readonly returnedAt: number;
  /** True: it was refused, and may not have had any effect. */
  readonly refused?: boolean;
}

/** What is wrong, empty when an order of the transactions explains everything. */
export function checkListAppend(history: readonly ListTransaction[]): readonly string[] {
  const check = new Check(history);
  return check.problems.length > 0 ? check.problems : check.findCircle();
}

class Check {
  readonly problems: string[] = [];
  readonly #history: readonly ListTransaction[];
  /** Transaction that appended an element, by key and element. */
  readonly #writers = new Map<string, number>();
  /** The longest list that was read of each key. */
  readonly #lists = new Map<string, readonly number[]>();
  readonly #after: Set<number>[];

  constructor(history: readonly ListTransaction[]) {
    this.#history = history;
    this.#after = history.map(() => new Set());
    for (const [place, transaction] of history.entries()) this.#noteWrites(place, transaction);
    for (const transaction of history) if (isAnswered(transaction)) this.#noteReads(transaction);
  }

  /** One circle of transactions, each of which must come before the next one. */
  findCircle(): readonly string[] {
    for (const key of this.#lists.keys()) this.#orderWrites(key);
    for (const [place, transaction] of this.#history.entries()) {
      if (isAnswered(transaction)) this.#orderReads(place, transaction);
    }
    this.#orderTimes();
    const circle = circleIn(this.#after);
    if (!circle) return [];
    return [
      `no order explains ${circle.map((place) => JSON.stringify(this.#history[place]?.operations)).join(" before ")}`,
    ];
  }

  #noteWrites(place: number, { operations }: ListTransaction): void {
    for (const operation of operations) {
      if (operation.kind === "append") this.#writers.set(nameOf(operation.key, operation.element), place);
    }
  }

  /** Every list begins as the longest one, holds nothing twice and nothing that nobody wrote, and shows own writes. */
  #noteReads({ operations }: ListTransaction): void {
    const own = new Map<string, number[]>();
    for (const operation of operations) {
      const { key } = operation;
      const appended = own.get(key) ?? [];
      if (operation.kind === "append") {
        own.set(key, [...appended, operation.element]);
        continue;
      }
      const { list } = operation;
      if (!isEnd(list, appended)) this.problems.push(`${key} reads ${list.join()} after appending ${appended.join()}`);
      if (new Set(list).size < list.length) this.problems.push(`${key} holds an element twice: ${list.join()}`);
      for (const element of list) this.#judgeElement(key, element);
      const longest = this.#lists.get(key) ?? [];
      const [short, long] = list.length < longest.length ? [list, longest] : [longest, list];
      if (short.some((element, index) => long[index] !== element)) {
        this.problems.push(`${key} was read as ${short.join()} and as ${long.join()}`);
      }
      this.#lists.set(key, long);
    }
  }

  #judgeElement(key: string, element: number): void {
    const writer = this.#writers.get(nameOf(key, element));
    if (writer === undefined) this.problems.push(`${key} holds ${element}, which nobody appended`);
    else if (this.#history[writer]?.refused === true) this.problems.push(`${key} holds ${element}, which was refused`);
  }

  #writerAt(key: string, index: number): number | undefined {
    const element = this.#lists.get(key)?.[index];
    return element === undefined ? undefined : this.#writers.get(nameOf(key, element));
  }

  #orderWrites(key: string): void {
    const { length } = this.#lists.get(key) ?? [];
    for (let index = 1; index < length; index++)
      this.#order(this.#writerAt(key, index - 1), this.#writerAt(key, index));
  }

  #orderReads(place: number, { operations }: ListTransaction): void {
    const own = new Set<string>();
    for (const operation of operations) {
      const { key } = operation;
      // Who has appended itself stands in the order of writes.
      if (operation.kind === "append") own.add(key);
      else if (!own.has(key)) {
        this.#order(this.#writerAt(key, operation.list.length - 1), place);
        this.#order(place, this.#writerAt(key, operation.list.length));
      }
    }
  }

  /** It is enough to name those that began after nobody else had both begun and ended in between. */
  #orderTimes(): void {
    const answered = [...this.#history.keys()].filter((place) => isAnswered(this.#history[place]));
    for (const place of answered) {
      const { returnedAt } = this.#history[place]!;
      const later = [...this.#history.keys()].filter((other) => this.#history[other]!.invokedAt > returnedAt);
      const soonest = Math.min(...later.map((other) => this.#history[other]!.returnedAt));
      for (const other of later) if (this.#history[other]!.invokedAt <= soonest) this.#order(place, other);
    }
  }

  #order(before: number | undefined, after: number | undefined): void {
    if (before !== undefined && after !== undefined && before !== after) this.#after[before]?.add(after);
  }
}

function isAnswered(transaction: ListTransaction | undefined): boolean {
  return transaction !== undefined && transaction.returnedAt !== Infinity && transaction.refused !== true;
}

function nameOf(key: string, element: number): string {
  return `${element} ${key}`;
}

function isEnd(list: readonly number[], end: readonly number[]): boolean {
  const start = list.length - end.length;
  return start >= 0 && end.every((element, index) => list[start + index] === element);
}

/** Depth first, without recursion. */
function circleIn(after: readonly ReadonlySet<number>[]): readonly number[] | undefined {
  const done = new Set<number>();
  for (const start of after.keys()) {
    if (done.has(start)) continue;
    const path: number[] = [start];
    const ways: Iterator<number>[] = [after[start]!.values()];
    const onPath = new Set(path);
    while (path.length > 0) {
      const next = ways.at(-1)!.next();
      if (next.done === true) {
        ways.pop();
        const left = path.pop()!;
        onPath.delete(left);
        done.add(left);
      } else if (onPath.has(next.value)) {
        return [...path.slice(path.indexOf(next.value)), next.value];
      } else if (!done.has(next.value)) {
        path.push(next.value);
        onPath.add(next.value);
        ways.push(after[next.value]!.values());
      }
    }
  }
  return undefined;
}
