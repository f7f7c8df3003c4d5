import type { Clock, Timer } from "./clock.ts";

/** The one timer of a core that says when it wants to be woken. It is set anew only when that time changes. */
export class WakeTimer {
  readonly #clock: Clock;
  readonly #wake: (lateMs: number) => void;
  #timer: Timer | undefined;
  #atMs = Infinity;

  /** @param wake called once for each time that came, with how much later than that it is, ms */
  constructor(clock: Clock, wake: (lateMs: number) => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** @param atMs monotonic ms; what is past wakes at once, in a turn of its own; Infinity is never */
  set(atMs: number): void {
    if (atMs === this.#atMs) return;
    this.cancel();
    if (atMs === Infinity) return;
    this.#atMs = atMs;
    const nowMs = this.#clock.monotonicMs();
    const dueAtMs = Math.max(nowMs, atMs);
    this.#timer = this.#clock.setTimer(dueAtMs - nowMs, () => {
      this.#atMs = Infinity;
      this.#wake(Math.max(0, this.#clock.monotonicMs() - dueAtMs));
    });
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#atMs = Infinity;
  }
}
