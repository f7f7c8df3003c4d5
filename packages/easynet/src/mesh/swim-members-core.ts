import type { Did } from "../identity/index.ts";
import { hashText, mixHash } from "../kernel/index.ts";
import type { NodeStatus } from "../model/index.ts";
import type { Life, SwimConfig, SwimUpdate } from "./swim-types.ts";

/** What this node holds of one member. */
export interface SwimMember extends Life {
  readonly did: Did;
  /** Of the did; made once, because sums need it again and again. */
  readonly hash: number;
  epoch: number;
  incarnation: number;
  status: NodeStatus;
  /** Monotonic ms of the last change of its status. */
  sinceMs: number;
  /** Who found it suspect; empty unless it is. */
  readonly accusers: Set<Did>;
  by: Did;
}

const RANK: Readonly<Record<NodeStatus, number>> = { alive: 0, maintenance: 0, suspect: 1, dead: 2, left: 3 };

const WORDS: Readonly<Record<NodeStatus, number>> = { alive: 0, suspect: 0, maintenance: 1, dead: 2, left: 3 };

/** What is known of a member first. */
export function newMember({ did, epoch, incarnation }: Life & { readonly did: Did }, sinceMs: number): SwimMember {
  const accusers = new Set<Did>();
  return { did, hash: hashText(did, 0), epoch, incarnation, status: "alive", sinceMs, accusers, by: did };
}

/** Below zero when `one` is the earlier statement of the member itself. */
export function compareLives(one: Life, other: Life): number {
  return one.epoch - other.epoch || one.incarnation - other.incarnation;
}

/** Das et al. 2002, section 4.2: a later incarnation wins, and within one the worse word. */
export function supersedes(update: SwimUpdate, known: SwimMember): boolean {
  const order = compareLives(update, known);
  return order > 0 || (order === 0 && RANK[update.status] > RANK[known.status]);
}

/** True for a member that takes part. */
export function takesPart(status: NodeStatus): boolean {
  return status === "alive" || status === "suspect" || status === "maintenance";
}

export function updateOf({ did, epoch, incarnation, status, by }: SwimMember): SwimUpdate {
  return { did, epoch, incarnation, status, by };
}

/**
 * How long a suspicion lasts: from `max` down to `min` as others confirm it (Dadgar et al. 2017, section IV.B).
 * @param memberCount those that take part
 */
export function suspicionMs(config: SwimConfig, memberCount: number, confirmationCount: number): number {
  const decades = Math.max(1, Math.log10(Math.max(1, memberCount)));
  const minMs = config.suspicionFactor * decades * config.probeIntervalMs;
  const maxMs = minMs * config.suspicionMaxFactor;
  const wantedCount = Math.min(config.confirmationsCount, memberCount - 3);
  if (wantedCount <= 0) return minMs;
  const share = Math.min(1, Math.log(confirmationCount + 1) / Math.log(wantedCount + 1));
  return maxMs - (maxMs - minMs) * share;
}

/** A sum over members that does not depend on their order; two nodes with the same knowledge have the same. */
export function digestOf(members: Iterable<SwimMember>, salt: number): number {
  let sum = 0;
  for (const { hash, epoch, incarnation, status } of members) {
    // Whether somebody is suspect passes by itself and is no reason to exchange everything.
    const word = WORDS[status];
    sum = (sum + mixHash(mixHash(mixHash(mixHash(hash, salt), epoch), incarnation), word)) >>> 0;
  }
  return sum;
}

interface Rumour {
  readonly update: SwimUpdate;
  toldCount: number;
}

/** News to be told a limited number of times, those told least first. */
export class RumourQueue {
  readonly #rumours = new Map<Did, Rumour>();

  get size(): number {
    return this.#rumours.size;
  }

  /** Replaces what was told of the same member. */
  add(update: SwimUpdate): void {
    this.#rumours.delete(update.did);
    this.#rumours.set(update.did, { update, toldCount: 0 });
  }

  /** Somebody else tells the same: one telling less for us (Demers et al. 1987, section 1.4, counters with feedback). */
  heard(update: SwimUpdate): void {
    const rumour = this.#rumours.get(update.did);
    if (!rumour || compareLives(rumour.update, update) !== 0) return;
    if (rumour.update.status === update.status && rumour.update.by === update.by) rumour.toldCount++;
  }

  /**
   * @param toldMax after that many tellings a rumour is dropped
   * @param copies peers that are told this time
   */
  take(countMax: number, toldMax: number, copies: number): SwimUpdate[] {
    if (this.#rumours.size === 0) return [];
    for (const [did, rumour] of this.#rumours) if (rumour.toldCount >= toldMax) this.#rumours.delete(did);
    const all = [...this.#rumours.values()];
    const chosen = all.length <= countMax ? all : all.toSorted((a, b) => a.toldCount - b.toldCount).slice(0, countMax);
    for (const rumour of chosen) {
      rumour.toldCount += copies;
      if (rumour.toldCount >= toldMax) this.#rumours.delete(rumour.update.did);
    }
    return chosen.map(({ update }) => update);
  }
}
