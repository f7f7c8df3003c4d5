import { READ_AGAIN_TICKS } from "./limits.ts";

/** "safe": the state is as new as the call. "moved": this node leads no more. */
export type ReadOutcome = "safe" | "moved";

type Resolve = (outcome: ReadOutcome) => void;

/** Reads of a leader on their way through a confirmation that it still leads: one at a time, shared by all that wait. */
export class Reads {
  #waiting: Resolve[] = [];
  #asked: { readonly context: string; readonly atTick: number; readonly reads: readonly Resolve[] } | undefined;
  /** To be answered when everything up to `index` is applied. */
  #confirmed: { readonly index: number; readonly reads: readonly Resolve[] }[] = [];
  #count = 0;

  async add(): Promise<ReadOutcome> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** The name of the next confirmation to ask for; undefined: one is under way, or nobody waits. */
  next(tick: number): string | undefined {
    if (this.#asked || this.#waiting.length === 0) return undefined;
    this.#count += 1;
    const context = String(this.#count);
    this.#asked = { context, atTick: tick, reads: this.#waiting };
    this.#waiting = [];
    return context;
  }

  /** A confirmation that did not come was lost: those who wait for it take part in the next. */
  again(tick: number): void {
    if (!this.#asked || tick - this.#asked.atTick <= READ_AGAIN_TICKS) return;
    this.#waiting.unshift(...this.#asked.reads);
    this.#asked = undefined;
  }

  confirm(index: number, context: string): void {
    if (this.#asked?.context !== context) return;
    this.#confirmed.push({ index, reads: this.#asked.reads });
    this.#asked = undefined;
  }

  settle(appliedIndex: number): void {
    const ready = this.#confirmed.filter(({ index }) => index <= appliedIndex);
    if (ready.length === 0) return;
    this.#confirmed = this.#confirmed.filter(({ index }) => index > appliedIndex);
    for (const { reads } of ready) for (const resolve of reads) resolve("safe");
  }

  abandon(): void {
    const reads = [...this.#waiting, ...(this.#asked?.reads ?? []), ...this.#confirmed.flatMap((each) => each.reads)];
    this.#waiting = [];
    this.#asked = undefined;
    this.#confirmed = [];
    for (const resolve of reads) resolve("moved");
  }
}
