import type { Clock, Timer } from "../kernel/index.ts";
import { EventHeap } from "./event-heap.ts";

/** A clock that moves only when told; timers run in order of time, then of creation. */
export class VirtualClock implements Clock {
  readonly #timers = new EventHeap();
  readonly #wallOriginMs: number;
  #elapsedMs = 0;
  #pendingCount = 0;

  /** @param wallOriginMs wall clock at the start, Unix epoch ms */
  constructor(wallOriginMs = 1_700_000_000_000) {
    this.#wallOriginMs = wallOriginMs;
  }

  nowMs(): number {
    return this.#wallOriginMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    let pending = true;
    const end = (): boolean => {
      if (!pending) return false;
      pending = false;
      this.#pendingCount--;
      return true;
    };
    this.#pendingCount++;
    // A cancelled timer stays in the heap until its time comes, and then does nothing.
    this.#timers.push(this.#elapsedMs + Math.max(0, delayMs), () => {
      if (end()) callback();
    });
    return { cancel: () => void end() };
  }

  /** Timers not yet run. */
  get pendingCount(): number {
    return this.#pendingCount;
  }

  /** Runs every timer that falls due within `durationMs`, also those that these set. */
  advance(durationMs: number): void {
    const untilMs = this.#elapsedMs + durationMs;
    for (let run = this.#next(untilMs); run; run = this.#next(untilMs)) run();
    this.#elapsedMs = untilMs;
  }

  /** As `advance`, and lets promises settle between timers. */
  async advanceAsync(durationMs: number): Promise<void> {
    const untilMs = this.#elapsedMs + durationMs;
    await settle();
    for (let run = this.#next(untilMs); run; run = this.#next(untilMs)) {
      run();
      await settle();
    }
    this.#elapsedMs = untilMs;
    await settle();
  }

  /** Takes out the first timer due by `untilMs` and moves the clock to it. */
  #next(untilMs: number): (() => void) | undefined {
    const atMs = this.#timers.nextAtMs;
    const run = this.#timers.popDue(untilMs);
    if (run) this.#elapsedMs = atMs;
    return run;
  }
}

/** Lets every promise that is ready run: a turn of the event loop drains the microtasks. */
async function settle(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}
