/**
 * Whom a node keeps links to when there are too many members for a link to each: a small active view of open links,
 * and everybody else as the passive view from which it is repaired, in the manner of HyParView (Leitão, Pereira,
 * Rodrigues 2007). We differ: the membership is known to all, so that no views need to be exchanged. Each node ranks all
 * members by a hash over itself and the member (rendezvous hashing, Thaler and Ravishankar 1998) and dials the first
 * ones that it can reach. So the links form a random graph in which each node has chosen log2 N neighbours and was
 * chosen by about as many; a member that comes or goes moves only its own links; and anybody can tell whom a node is
 * likely to be linked to.
 */
import type { Did } from "../identity/index.ts";
import { hashText } from "../kernel/index.ts";

/** Up to this many known members everybody keeps a link to everybody. */
export const FULL_MESH_COUNT_MAX = 200;
/** The fewest links that a node keeps of its own choice: k-out graphs with this many fall apart practically never. */
const VIEW_COUNT_MIN = 6;

/** Links of its own choice that a node keeps among so many members. */
export function viewCount(memberCount: number): number {
  return Math.max(VIEW_COUNT_MIN, Math.ceil(Math.log2(Math.max(1, memberCount))));
}

/** Members in the order in which one node prefers them; the same wherever it is computed. */
export class Ranking {
  readonly #of: number;
  readonly #ranked: { readonly did: Did; readonly rank: number }[] = [];

  constructor(of: Did) {
    this.#of = hashText(of, 0);
  }

  get size(): number {
    return this.#ranked.length;
  }

  /** A member that is not in it. */
  add(did: Did): void {
    const rank = this.#rankOf(did);
    this.#ranked.splice(this.#indexOf(did, rank), 0, { did, rank });
  }

  delete(did: Did): void {
    const index = this.#indexOf(did, this.#rankOf(did));
    if (this.#ranked[index]?.did === did) this.#ranked.splice(index, 1);
  }

  *[Symbol.iterator](): Generator<Did> {
    for (const { did } of this.#ranked) yield did;
  }

  /** Not the same in both directions: else who prefers whom would be mutual, and the graph weaker. */
  #rankOf(did: Did): number {
    return hashText(did, this.#of);
  }

  /** Where it stands or belongs. */
  #indexOf(did: Did, rank: number): number {
    let from = 0;
    let to = this.#ranked.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      const item = this.#ranked[middle];
      if (item && (item.rank < rank || (item.rank === rank && item.did < did))) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** The first `count` members that pass. */
export function firstOf(ranking: Iterable<Did>, count: number, passes: (did: Did) => boolean): Set<Did> {
  const view = new Set<Did>();
  for (const did of ranking) {
    if (view.size >= count) break;
    if (passes(did)) view.add(did);
  }
  return view;
}

/** Whom another node is likely to keep links to, most likely first. @param members with or without that node */
export function likelyNeighbours(of: Did, members: Iterable<Did>): Did[] {
  const ranking = new Ranking(of);
  for (const did of members) if (did !== of) ranking.add(did);
  return [...firstOf(ranking, viewCount(ranking.size + 1), () => true)];
}
