/**
 * Hybrid logical clock (Kulkarni et al. 2014, figure 5): stamps near the wall clock that never contradict cause and
 * effect. 48 bits of ms, 16 bits of counter, and the writer's name decides between equal ones. Where we differ: a stamp
 * further ahead than SKEW_MS_MAX is refused, because one from a wrong clock would win for ever; and a counter that is used
 * up borrows the next ms.
 */
export interface Stamp {
  /** Unix epoch ms, below 2^48. */
  readonly ms: number;
  /** Below 2^16. */
  readonly count: number;
}

/** Clocks of members may differ by this much, ms. */
export const SKEW_MS_MAX = 60_000;

const MS_LIMIT = 2 ** 48;
const COUNT_LIMIT = 2 ** 16;

/** Below zero when `one` is older. */
export function compareStamps(one: Stamp, other: Stamp): number {
  return one.ms - other.ms || one.count - other.count;
}

/** Whether a value has the form of a stamp. */
export function isStamp({ ms, count }: { readonly ms: unknown; readonly count: unknown }): boolean {
  return Number.isSafeInteger(ms) && Number(ms) >= 0 && Number(ms) < MS_LIMIT && isCount(count);
}

function isCount(count: unknown): boolean {
  return Number.isSafeInteger(count) && Number(count) >= 0 && Number(count) < COUNT_LIMIT;
}

export class HybridClock {
  #last: Stamp = { ms: 0, count: 0 };

  get last(): Stamp {
    return this.#last;
  }

  /** A stamp later than all that were made or seen here. @param nowMs wall clock */
  tick(nowMs: number): Stamp {
    const { ms, count } = this.#last;
    if (nowMs > ms) this.#last = { ms: Math.floor(nowMs), count: 0 };
    else this.#last = count + 1 < COUNT_LIMIT ? { ms, count: count + 1 } : { ms: ms + 1, count: 0 };
    return this.#last;
  }

  /** Takes note of another's stamp; false: it lies too far ahead and was not taken. @param nowMs wall clock */
  observe(stamp: Stamp, nowMs: number): boolean {
    if (stamp.ms > nowMs + SKEW_MS_MAX) return false;
    if (compareStamps(stamp, this.#last) > 0) this.#last = stamp;
    return true;
  }
}
