import * as fc from "fast-check";
import { expect, test } from "vitest";
import { someCapability, someCard } from "../testing/directory-fixture.ts";
import { fakeDid, fakeKeyPair } from "../testing/index.ts";
import { OfferIndex } from "./offer-index.ts";
import type { DirectoryNode, FindQuery, Offer } from "./types.ts";

const NAMES = ["add", "sum", "toString", "__proto__", "翻译"];
const dids = [1, 2, 3, 4].map(fakeDid);

function someNode(number: number, agents: readonly (readonly string[])[]): DirectoryNode {
  const did = dids[number]!;
  const cards = agents.map((names, index) => ({
    card: someCard(did, {
      name: `agent${index}`,
      agentType: index % 2 ? "model" : "function",
      capabilities: names.map((name) => someCapability(name, { tags: [name.slice(0, 1)] })),
      keyPair: fakeKeyPair(100 + index),
    }).card,
    signature: { protected: "", signature: "" },
  }));
  const record = { owner: did, name: "n", version: "1", addresses: [], offers: {}, cards };
  return { did, record, status: "alive", load: undefined, lastSeenAtMs: 0 };
}

const change = fc.record({
  number: fc.nat(3),
  agents: fc.option(fc.array(fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 3 }), { maxLength: 3 })),
});
const query = fc.record(
  {
    capability: fc.constantFrom(...NAMES, "none"),
    agent: fc.constantFrom("agent0", "agent1", ...dids, fakeDid(100)),
    agentType: fc.constantFrom("function", "model"),
    tags: fc.subarray(["a", "s", "none"]),
  },
  { requiredKeys: [] },
);

/** The search as its contract says it, over everything. */
function searched(nodes: Iterable<DirectoryNode>, { capability, agent, agentType, tags = [] }: FindQuery): Offer[] {
  const offers = [...nodes].flatMap((node) =>
    node.record.cards.flatMap(({ card }) => card.capabilities.map((item) => ({ node, card, capability: item }))),
  );
  return offers.filter(
    (offer) =>
      (capability === undefined || offer.capability.name === capability) &&
      (agent === undefined || [offer.card.name, offer.card.id, offer.node.did].includes(agent)) &&
      (agentType === undefined || offer.card.agentType === agentType) &&
      tags.every((tag) => offer.capability.tags.includes(tag)),
  );
}

function keyOf({ node, card, capability }: Offer): string {
  return `${node.did} ${card.id} ${capability.name}`;
}

test("after any changes, every search finds what a look at everything finds", () => {
  fc.assert(
    fc.property(fc.array(change), query, (changes, wanted) => {
      const index = new OfferIndex();
      const nodes = new Map<number, DirectoryNode>();
      for (const { number, agents } of changes) {
        if (agents) {
          const node = someNode(number, agents);
          nodes.set(number, node);
          index.put(node);
        } else {
          nodes.delete(number);
          index.remove(dids[number]!);
        }
      }
      const found = index.find(wanted).map(keyOf).sort();
      expect(found).toEqual(searched(nodes.values(), wanted).map(keyOf).sort());
    }),
  );
});

test("a list that was handed out never changes", () => {
  const index = new OfferIndex();
  index.put(someNode(0, [["add"]]));
  const before = index.find({ capability: "add" });
  index.put(someNode(1, [["add"]]));
  index.remove(dids[0]!);
  expect(before).toHaveLength(1);
  expect(index.find({ capability: "add" })).toHaveLength(1);
});
