interface Item {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

/** Actions by time, then by order of insertion: a binary heap, because a simulated network holds many. */
export class EventHeap {
  readonly #items: Item[] = [];
  #order = 0;

  /** Infinity when empty. */
  get nextAtMs(): number {
    return this.#items[0]?.atMs ?? Infinity;
  }

  push(atMs: number, action: () => void): void {
    const items = this.#items;
    const item: Item = { atMs, order: this.#order++, action };
    let index = items.length;
    items.push(item);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = items[parent];
      if (!above || !before(item, above)) break;
      items[index] = above;
      index = parent;
    }
    items[index] = item;
  }

  /** The first action that is due at `nowMs`, taken out. */
  popDue(nowMs: number): (() => void) | undefined {
    const first = this.#items[0];
    if (!first || first.atMs > nowMs) return undefined;
    const last = this.#items.pop();
    if (last && last !== first) this.#sink(last);
    return first.action;
  }

  #sink(item: Item): void {
    const items = this.#items;
    let index = 0;
    for (;;) {
      const left = items[2 * index + 1];
      const right = items[2 * index + 2];
      if (!left) break;
      const rightFirst = right !== undefined && before(right, left);
      const child = rightFirst ? right : left;
      if (!before(child, item)) break;
      items[index] = child;
      index = 2 * index + (rightFirst ? 2 : 1);
    }
    items[index] = item;
  }
}

function before(one: Item, other: Item): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
