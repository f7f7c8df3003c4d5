import type { Random } from "./random.ts";

export interface BackoffOptions {
  readonly baseMs: number;
  readonly capMs: number;
}

/** Delay before attempt `attempt` (0 first): full jitter, `random(0, min(cap, base * 2^attempt))` (Brooker, AWS 2015). */
export function backoffMs(attempt: number, options: BackoffOptions, random: Random): number {
  const ceiling = Math.min(options.capMs, options.baseMs * 2 ** Math.min(attempt, 30));
  return random.next() * ceiling;
}
