import type { Did } from "../identity/index.ts";
import { fits } from "./offer-filter.ts";
import type { DirectoryNode, FindQuery, Offer } from "./types.ts";

const NONE: readonly Offer[] = [];

/**
 * Offers of live nodes by capability, tag, type, language and name. The lists are replaced, never changed, when a node comes or goes,
 * so that a search for nothing but a capability returns one as it is.
 */
export class OfferIndex {
  readonly #byNode = new Map<Did, readonly Offer[]>();
  /** By a field and its value; a search filters the shortest list that it can use. */
  readonly #byKey = new Map<string, readonly Offer[]>();
  #all: readonly Offer[] | undefined;

  /** Replaces what the node offered before. */
  put(node: DirectoryNode): void {
    this.remove(node.did);
    const offers = offersOf(node);
    if (offers.length === 0) return;
    this.#byNode.set(node.did, offers);
    for (const [key, added] of grouped(offers)) this.#byKey.set(key, [...(this.#byKey.get(key) ?? NONE), ...added]);
    this.#all = undefined;
  }

  remove(did: Did): void {
    const offers = this.#byNode.get(did);
    if (!offers) return;
    this.#byNode.delete(did);
    for (const key of grouped(offers).keys()) {
      const left = (this.#byKey.get(key) ?? NONE).filter((offer) => offer.node.did !== did);
      if (left.length > 0) this.#byKey.set(key, left);
      else this.#byKey.delete(key);
    }
    this.#all = undefined;
  }

  find(query: FindQuery): readonly Offer[] {
    const { capability, agentType, tags = [], agent, ...others } = query;
    const keys = [
      ...(capability === undefined ? [] : [`capability ${capability}`]),
      ...(agentType === undefined ? [] : [`type ${agentType}`]),
      ...tags.map((tag) => `tag ${tag}`),
      ...(agent === undefined ? [] : [`agent ${agent}`]),
      // What speaks any language stands in no list of one: then nothing is saved.
      ...(this.#byKey.has("lang *") ? [] : (query.languages ?? []).map((language) => `lang ${language.toLowerCase()}`)),
    ];
    const lists = keys.map((key) => this.#byKey.get(key) ?? NONE);
    const shortest = lists.reduce(
      (one, other) => (other.length < one.length ? other : one),
      lists[0] ?? this.#everything(),
    );
    const isWhole = keys.length <= 1 && Object.values(others).every((value) => value === undefined);
    return isWhole ? shortest : shortest.filter((offer) => fits(offer, query));
  }

  #everything(): readonly Offer[] {
    this.#all ??= [...this.#byNode.values()].flat();
    return this.#all;
  }
}

/** Everything that a node offers. */
export function offersOf(node: DirectoryNode): readonly Offer[] {
  return node.record.cards.flatMap(({ card }) =>
    card.capabilities.map((capability): Offer => ({ node, card, capability })),
  );
}

function grouped(offers: readonly Offer[]): Map<string, Offer[]> {
  const groups = new Map<string, Offer[]>();
  for (const offer of offers) {
    for (const key of keysOf(offer)) {
      const group = groups.get(key);
      if (group) group.push(offer);
      else groups.set(key, [offer]);
    }
  }
  return groups;
}

function keysOf({ card, capability, node }: Offer): Set<string> {
  const names = [card.name, card.id, node.did, node.record.name];
  return new Set([
    `capability ${capability.name}`,
    `type ${card.agentType}`,
    ...capability.tags.map((tag) => `tag ${tag}`),
    ...names.map((name) => `agent ${name}`),
    ...(capability.languages ?? []).flatMap((language) => rangesOf(language)).map((range) => `lang ${range}`),
  ]);
}

/** All language ranges that a tag is in: `zh-Hans-CN` is in itself, `zh-hans` and `zh`. */
function rangesOf(language: string): string[] {
  const parts = language.toLowerCase().split("-");
  return parts.map((_, index) => parts.slice(0, index + 1).join("-"));
}
