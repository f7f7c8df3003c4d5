/** Virtual time in whole milliseconds for worlds with many short delays: a ring of buckets, no comparison, no timers. */
const SPAN_MS = 2048;

export class EventWheel {
  nowMs = 0;
  readonly #buckets: (() => void)[][] = Array.from({ length: SPAN_MS }, () => []);

  /** Those of one millisecond run in the order in which they were asked for. @param delayMs whole, 0 to 2,047 */
  after(delayMs: number, action: () => void): void {
    this.#buckets[(this.nowMs + Math.min(delayMs, SPAN_MS - 1)) % SPAN_MS]?.push(action);
  }

  /** Runs what is due in this millisecond, and goes to the next one. */
  turn(): void {
    const bucket = this.#buckets[this.nowMs % SPAN_MS] ?? [];
    // Grows while it runs.
    for (let index = 0; index < bucket.length; index++) bucket[index]?.();
    bucket.length = 0;
    this.nowMs += 1;
  }
}
