import type { Did } from "../identity/index.ts";

/** One process of a node: a number drawn at its start, and when it says that it started. */
export interface Life {
  readonly epoch: number;
  /** Wall clock of that process, Unix epoch ms; 0 when it does not say. */
  readonly startedAtMs: number;
  readonly address: string;
}

export type TwinVerdict =
  /** Nothing speaks against it; a life that is linked already was a process before a restart. */
  | { readonly kind: "single" }
  /** Two processes live with one key. The one that started first is kept. */
  | { readonly kind: "twins"; readonly keep: "asking" | "linked" };

/** Processes remembered of one node: two twins, and a restart of each. */
const LIVES_PER_NODE_MAX = 4;
/** Nodes remembered; the one that was seen longest ago is forgotten first. */
const NODES_COUNT_MAX = 1000;

/**
 * Tells a copied folder from a restart. A process that ended never comes back; so when the process of a key greets us
 * again after another process of that key was linked, both are alive.
 */
export class TwinWatch {
  readonly #lives = new Map<Did, readonly Life[]>();

  /** @param linked the process of `did` that we hold a link to */
  judge(did: Did, asking: Life, linked: Life | undefined): TwinVerdict {
    if (!linked || linked.epoch === asking.epoch) return { kind: "single" };
    const seenBefore = this.#lives.get(did)?.some(({ epoch }) => epoch === asking.epoch) ?? false;
    if (!seenBefore) return { kind: "single" };
    return { kind: "twins", keep: startedBefore(asking, linked) ? "asking" : "linked" };
  }

  /** A process was admitted. */
  admitted(did: Did, life: Life): void {
    const others = (this.#lives.get(did) ?? []).filter(({ epoch }) => epoch !== life.epoch);
    this.#lives.delete(did);
    if (this.#lives.size >= NODES_COUNT_MAX) {
      const oldest = this.#lives.keys().next();
      if (!oldest.done) this.#lives.delete(oldest.value);
    }
    this.#lives.set(did, [...others, life].slice(-LIVES_PER_NODE_MAX));
  }
}

/** The same for every member that compares the two; without times the number decides. */
function startedBefore(one: Life, other: Life): boolean {
  return one.startedAtMs === other.startedAtMs ? one.epoch < other.epoch : one.startedAtMs < other.startedAtMs;
}
