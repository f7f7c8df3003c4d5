import type { Did } from "../identity/index.ts";
import { type Random, sample } from "../kernel/index.ts";
import type { Effect, OutgoingEntry } from "./core-types.ts";

/** With more links than this, or members that are not linked, an own entry is broadcast instead of sent over each. */
const DIRECT_LINKS_MAX = 8;
/** Peers that are told what was new here: enough that practically everybody hears of it without a digest. */
export const PASSED_ON_COUNT_MAX = 12;
/** Peers that get news of renewals. */
export const NEWS_FANOUT = 3;

interface SpreadOptions {
  readonly links: readonly Did[];
  /** Nodes that are not gone, with this one. */
  readonly hereCount: number;
  /** Nothing in it is new but the time. */
  readonly isRenewal: boolean;
  readonly random: Random;
}

/**
 * How an own entry goes out. To each link where that is everybody and they are few. Otherwise a renewal goes to a few,
 * who tell it onwards at their leisure, and all else is broadcast, except the last word: it must not hang on those who
 * pass it on.
 */
export function spreadOf(entry: OutgoingEntry, { links, hereCount, isRenewal, random }: SpreadOptions): Effect {
  const few = links.length <= DIRECT_LINKS_MAX && links.length >= hereCount - 1;
  const to = isRenewal && !few ? sample(random, links, NEWS_FANOUT) : links;
  return { kind: "spread", entry, to, broadcast: !few && !isRenewal && entry.entry.status === "alive" };
}
