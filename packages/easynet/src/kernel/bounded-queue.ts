/**
 * An async queue of one consumer with a limit. `push` returns false at the limit and stores nothing:
 * the caller states what that means (refuse, drop, wait).
 */
export class BoundedQueue<Item> implements AsyncIterable<Item> {
  readonly #items: Item[] = [];
  readonly #countMax: number;
  #head = 0;
  #waiter: ((ended: boolean) => void) | undefined;
  #ended = false;
  #error: unknown;

  /** @param countMax items held at most, >= 1 */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#items.length - this.#head;
  }

  /** False when full or ended; then nothing was stored. */
  push(item: Item): boolean {
    if (this.#ended || this.count >= this.#countMax) return false;
    this.#items.push(item);
    this.#wake();
    return true;
  }

  /** No more items; the consumer gets what is stored, then the end, or `error` if one is given. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }

  shift(): Item | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head++];
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, void> {
    for (;;) {
      while (this.count > 0) {
        const item = this.shift();
        if (item !== undefined) yield item;
      }
      if (this.#ended) break;
      await new Promise<boolean>((resolve) => {
        this.#waiter = resolve;
      });
    }
    if (this.#error !== undefined) throw this.#error;
  }

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.(this.#ended);
  }
}
