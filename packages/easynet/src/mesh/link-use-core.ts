import type { Did } from "../identity/index.ts";

/** A link that this node dialled and does not keep for the network's sake ends when it was unused for so long, ms. */
export const LINK_IDLE_MS = 60_000;
/** With more links than this the ones unused for longest end earlier. */
export const LINKS_KEPT_COUNT_MAX = 256;

export interface LinkToTrim {
  readonly did: Did;
  /** It is in the active view, or the other end dialled it: that end decides. */
  readonly kept: boolean;
  readonly inUse: boolean;
}

/** When links were used, and which of them may end. */
export class LinkUse {
  readonly #usedAtMs = new Map<Did, number>();

  used(did: Did, nowMs: number): void {
    this.#usedAtMs.set(did, nowMs);
  }

  /** Links that end now; what is in use never does. To be asked again and again with all links. */
  trim(links: readonly LinkToTrim[], nowMs: number): Did[] {
    const present = new Set(links.map(({ did }) => did));
    for (const did of this.#usedAtMs.keys()) if (!present.has(did)) this.#usedAtMs.delete(did);
    for (const { did, inUse } of links) if (inUse || !this.#usedAtMs.has(did)) this.#usedAtMs.set(did, nowMs);
    const free = links
      .filter(({ kept, inUse }) => !kept && !inUse)
      .map(({ did }) => ({ did, usedAtMs: this.#usedAtMs.get(did) ?? nowMs }))
      .toSorted((one, other) => one.usedAtMs - other.usedAtMs);
    const surplusCount = links.length - LINKS_KEPT_COUNT_MAX;
    return free
      .filter(({ usedAtMs }, index) => index < surplusCount || nowMs - usedAtMs >= LINK_IDLE_MS)
      .map(({ did }) => did);
  }
}
