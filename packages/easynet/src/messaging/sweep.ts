import type { Clock, Timer } from "../kernel/index.ts";

/** Something that must be looked at when its time comes. */
export interface Expiring {
  /** Monotonic ms; Infinity = never. */
  readonly dueAtMs: number;
  /** Called once due; it removes itself or sets a later `dueAtMs` and is watched again. */
  expire(nowMs: number): void;
}

/** Two sweeps are at least this far apart, whatever the deadlines are: deadlines are late by at most this. */
const SWEEP_INTERVAL_MS_MIN = 5;

/**
 * Deadlines of many short exchanges with one timer. Calls of one program mostly have one time-out, so a new deadline
 * is later than the armed one and costs a set insertion; only a sweep, at the earliest deadline, looks at all.
 */
export class Sweep {
  readonly #clock: Clock;
  readonly #items = new Set<Expiring>();
  #timer: Timer | undefined;
  #timerAtMs = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts to watch, or takes note of an earlier `dueAtMs`. */
  watch(item: Expiring): void {
    if (item.dueAtMs === Infinity) return;
    this.#items.add(item);
    if (item.dueAtMs < this.#timerAtMs) this.#arm(item.dueAtMs);
  }

  unwatch(item: Expiring): void {
    this.#items.delete(item);
  }

  stop(): void {
    this.#items.clear();
    this.#timer?.cancel();
    this.#timerAtMs = Infinity;
  }

  #arm(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.setTimer(Math.max(0, atMs - this.#clock.monotonicMs()), () => this.#run());
  }

  #run(): void {
    this.#timerAtMs = Infinity;
    const nowMs = this.#clock.monotonicMs();
    for (const item of this.#items) if (item.dueAtMs <= nowMs) item.expire(nowMs);
    let nextAtMs = Infinity;
    for (const item of this.#items) nextAtMs = Math.min(nextAtMs, item.dueAtMs);
    if (nextAtMs !== Infinity) this.#arm(Math.max(nextAtMs, nowMs + SWEEP_INTERVAL_MS_MIN));
  }
}
