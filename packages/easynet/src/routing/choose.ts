import type { Random } from "../kernel/index.ts";
import type { Offer } from "../state/index.ts";

/** What is known about how busy a provider is. */
export interface ProviderLoad {
  /** Tasks running or waiting there, as far as this node knows. */
  readonly taskCount: number;
  /** Tasks it runs at once, >= 1. */
  readonly slots: number;
}

export interface ChooseOptions {
  readonly self: string;
  readonly loadOf: (offer: Offer) => ProviderLoad;
  readonly random: Random;
}

/**
 * The less loaded of two providers drawn at random ("the power of two choices", Mitzenmacher 2001): nearly as good as
 * asking all, and no herd runs to whoever was idle a second ago. At equal load this node itself wins, which saves a
 * round trip. @returns undefined when there is none
 */
export function chooseOffer(offers: readonly Offer[], options: ChooseOptions): Offer | undefined {
  const { self, loadOf, random } = options;
  if (offers.length < 2) return offers[0];
  const first = Math.floor(random.next() * offers.length);
  const step = 1 + Math.floor(random.next() * (offers.length - 1));
  const one = offers[first];
  const other = offers[(first + step) % offers.length];
  if (!one || !other) return one ?? other;
  const difference = busyRatio(loadOf(one)) - busyRatio(loadOf(other));
  if (difference !== 0) return difference < 0 ? one : other;
  return other.node.did === self ? other : one;
}

function busyRatio(load: ProviderLoad): number {
  return load.taskCount / Math.max(1, load.slots);
}
