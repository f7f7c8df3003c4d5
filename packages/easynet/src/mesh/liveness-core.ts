export type LivenessVerdict = "alive" | "dead";

/**
 * Whether the other end of a link still lives: something must arrive in each interval, and a ping makes sure that
 * there is something to send. An interval that our own event loop slept through is not held against the peer,
 * because what it sent may wait unread (local health of Lifeguard, Dadgar et al. 2017, section III, reduced to one bit).
 */
export class Liveness {
  readonly #intervalMs: number;
  readonly #missedMax: number;
  #dueAtMs: number;
  #heard = true;
  #missed = 0;
  #ping = 0;
  #pingSentAtMs = 0;

  constructor(options: { readonly intervalMs: number; readonly missedMax: number; readonly nowMs: number }) {
    this.#intervalMs = options.intervalMs;
    this.#missedMax = options.missedMax;
    this.#dueAtMs = options.nowMs + options.intervalMs;
  }

  /** Intervals in a row in which nothing arrived. */
  get missedCount(): number {
    return this.#missed;
  }

  /** Any byte from the peer. */
  heard(): void {
    this.#heard = true;
  }

  /** To be called once per interval; late calls are recognised. */
  tick(nowMs: number): LivenessVerdict {
    const slept = nowMs - this.#dueAtMs > this.#intervalMs / 2;
    this.#dueAtMs = nowMs + this.#intervalMs;
    if (this.#heard) this.#missed = 0;
    else if (!slept) this.#missed++;
    this.#heard = false;
    return this.#missed >= this.#missedMax ? "dead" : "alive";
  }

  /** Number of the ping that is sent now, 1..2^32-1. */
  ping(nowMs: number): number {
    this.#ping = (this.#ping % 0xffff_ffff) + 1;
    this.#pingSentAtMs = nowMs;
    return this.#ping;
  }

  /** Round trip in ms; undefined for an answer to anything but the last ping. */
  pong(ping: number, nowMs: number): number | undefined {
    return ping === this.#ping ? nowMs - this.#pingSentAtMs : undefined;
  }
}
