import { array, assert, integer, nat, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../kernel/index.ts";
import type { Offer } from "../state/index.ts";
import { offerOf } from "../testing/offers.ts";
import { chooseOffer } from "./choose.ts";

describe("choosing a provider", () => {
  const self = "did:self";

  test("nobody offers it: none is chosen", () => {
    expect(
      chooseOffer([], { self, loadOf: () => ({ taskCount: 0, slots: 1 }), random: seededRandom(1) }),
    ).toBeUndefined();
  });

  test("the busiest of several is never chosen while another one is idle", () => {
    const busiestIsSpared = property(integer(), array(nat(100), { minLength: 2, maxLength: 8 }), (seed, counts) => {
      const offers = counts.map((_, index) => offerOf({ node: `did:node:${index}`, capability: "work" }));
      const loadOf = (offer: Offer) => ({ taskCount: counts[offers.indexOf(offer)] ?? 0, slots: 1 });
      const chosen = chooseOffer(offers, { self, loadOf, random: seededRandom(seed) });
      const most = Math.max(...counts);
      const shared = counts.filter((count) => count === most).length > 1;
      return shared || (chosen !== undefined && loadOf(chosen).taskCount < most);
    });
    expect(() => assert(busiestIsSpared)).not.toThrow();
  });

  test("slots count: ten tasks on a hundred slots is less busy than one on two", () => {
    const large = offerOf({ node: "did:large", capability: "work" });
    const small = offerOf({ node: "did:small", capability: "work" });
    const loadOf = (offer: Offer) => (offer === large ? { taskCount: 10, slots: 100 } : { taskCount: 1, slots: 2 });
    for (let seed = 0; seed < 20; seed++) {
      expect(chooseOffer([small, large], { self, loadOf, random: seededRandom(seed) })).toBe(large);
    }
  });

  test("at equal load this node itself works, which saves a round trip", () => {
    const own = offerOf({ node: self, capability: "work" });
    const far = offerOf({ node: "did:far", capability: "work" });
    for (let seed = 0; seed < 20; seed++) {
      const loadOf = () => ({ taskCount: 3, slots: 8 });
      expect(chooseOffer([far, own], { self, loadOf, random: seededRandom(seed) })).toBe(own);
    }
  });

  test("work spreads: of three equal ones each gets a share", () => {
    const offers = ["a", "b", "c"].map((node) => offerOf({ node: `did:${node}`, capability: "work" }));
    const counts = new Map(offers.map((offer) => [offer, 0]));
    const random = seededRandom(7);
    for (let call = 0; call < 300; call++) {
      const loadOf = (offer: Offer) => ({ taskCount: counts.get(offer) ?? 0, slots: 4 });
      const chosen = chooseOffer(offers, { self, loadOf, random });
      if (chosen) counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(count).toBeGreaterThan(90);
  });
});
