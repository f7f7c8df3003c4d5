import type { Did } from "../identity/index.ts";
import type { DirectoryNode, FindQuery, Offer } from "./types.ts";

const NONE: readonly Offer[] = [];

/**
 * Offers of live nodes by capability name. The lists are replaced, never changed, when a node comes or goes, so that
 * a search without further conditions returns one as it is.
 */
export class OfferIndex {
  readonly #byNode = new Map<Did, readonly Offer[]>();
  readonly #byCapability = new Map<string, readonly Offer[]>();
  #all: readonly Offer[] | undefined;

  /** Replaces what the node offered before. */
  put(node: DirectoryNode): void {
    this.remove(node.did);
    const offers = node.record.cards.flatMap(({ card }) =>
      card.capabilities.map((capability): Offer => ({ node, card, capability })),
    );
    if (offers.length === 0) return;
    this.#byNode.set(node.did, offers);
    for (const [name, added] of Map.groupBy(offers, (offer) => offer.capability.name)) {
      this.#byCapability.set(name, [...(this.#byCapability.get(name) ?? NONE), ...added]);
    }
    this.#all = undefined;
  }

  remove(did: Did): void {
    const offers = this.#byNode.get(did);
    if (!offers) return;
    this.#byNode.delete(did);
    for (const name of new Set(offers.map((offer) => offer.capability.name))) {
      const left = (this.#byCapability.get(name) ?? NONE).filter((offer) => offer.node.did !== did);
      if (left.length > 0) this.#byCapability.set(name, left);
      else this.#byCapability.delete(name);
    }
    this.#all = undefined;
  }

  find(query: FindQuery): readonly Offer[] {
    const { capability, agent, agentType, tag } = query;
    const offers = capability === undefined ? this.#everything() : (this.#byCapability.get(capability) ?? NONE);
    if (agent === undefined && agentType === undefined && tag === undefined) return offers;
    return offers.filter(
      (offer) =>
        (agent === undefined || isNamed(offer, agent)) &&
        (agentType === undefined || offer.card.agentType === agentType) &&
        (tag === undefined || offer.capability.tags.includes(tag)),
    );
  }

  #everything(): readonly Offer[] {
    this.#all ??= [...this.#byNode.values()].flat();
    return this.#all;
  }
}

function isNamed({ card, node }: Offer, agent: string): boolean {
  return card.name === agent || card.id === agent || node.did === agent || node.record.name === agent;
}
