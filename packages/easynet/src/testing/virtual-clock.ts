import type { Clock, Timer } from "../kernel/index.ts";

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that moves only when told; timers run in order of time, then of creation. */
export class VirtualClock implements Clock {
  readonly #entries = new Set<Entry>();
  readonly #wallOriginMs: number;
  #elapsedMs = 0;
  #order = 0;

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
    const entry: Entry = { atMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#entries.add(entry);
    return { cancel: () => void this.#entries.delete(entry) };
  }

  /** Timers not yet run. */
  get pendingCount(): number {
    return this.#entries.size;
  }

  /** Runs every timer that falls due within `durationMs`, also those that these set. */
  advance(durationMs: number): void {
    const untilMs = this.#elapsedMs + durationMs;
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#entries.delete(next);
      this.#elapsedMs = next.atMs;
      next.callback();
    }
    this.#elapsedMs = untilMs;
  }

  /** As `advance`, and lets promises settle between timers. */
  async advanceAsync(durationMs: number): Promise<void> {
    const untilMs = this.#elapsedMs + durationMs;
    await settle();
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#entries.delete(next);
      this.#elapsedMs = next.atMs;
      next.callback();
      await settle();
    }
    this.#elapsedMs = untilMs;
    await settle();
  }

  #next(untilMs: number): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#entries) {
      if (entry.atMs > untilMs) continue;
      if (!first || entry.atMs < first.atMs || (entry.atMs === first.atMs && entry.order < first.order)) first = entry;
    }
    return first;
  }
}

/** Lets every promise that is ready run: a turn of the event loop drains the microtasks. */
async function settle(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}
