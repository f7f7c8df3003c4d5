import type { Membership } from "../identity/index.ts";

/** What decides between two memberships of one member. */
export type Standing = Pick<Membership, "expiresAtMs" | "mayInvite" | "delegationsCount">;

export interface RenewalRule {
  readonly nowMs: number;
  /** How long a new membership holds, ms. */
  readonly lifetimeMs: (mayInvite: boolean) => number;
}

/** A third of its life is over: so weeks in which nobody who could renew it is there do no harm. */
export function isDue({ expiresAtMs, mayInvite }: Standing, { nowMs, lifetimeMs }: RenewalRule): boolean {
  return expiresAtMs - nowMs <= (lifetimeMs(mayInvite) * 2) / 3;
}

/** Asks also for a shorter chain: fewer steps hang on fewer machines. */
export function isWanting(own: Standing, rule: RenewalRule): boolean {
  return own.delegationsCount > 1 || isDue(own, rule);
}

/** True when `offered` is to take the place of `own`. The right to let others in is never given up for a longer life. */
export function isBetter(offered: Standing, own: Standing, rule: RenewalRule): boolean {
  if (own.mayInvite && !offered.mayInvite) return false;
  if (isDue(own, rule)) return offered.expiresAtMs > own.expiresAtMs;
  return offered.delegationsCount < own.delegationsCount && !isDue(offered, rule);
}
