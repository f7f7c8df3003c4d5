import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fakeDid } from "../testing/index.ts";
import { firstOf, likelyNeighbours, Ranking, viewCount } from "./active-view-core.ts";

const dids = Array.from({ length: 120 }, (_, index) => fakeDid(index));
const [self = fakeDid(0)] = dids;
const someDids = fc.uniqueArray(fc.constantFrom(...dids.slice(1)), { maxLength: 60 });

describe("the order in which a node prefers members", () => {
  test("is the same in whatever order they came and went", () => {
    fc.assert(
      fc.property(someDids, someDids, fc.nat(), (kept, gone, seed) => {
        const straight = new Ranking(self);
        for (const did of kept) straight.add(did);
        const winding = new Ranking(self);
        const passing = gone.filter((did) => !kept.includes(did));
        const order = [...kept, ...passing].toSorted((one, other) => (one + seed < other + seed ? 1 : -1));
        for (const did of order) winding.add(did);
        for (const did of passing) winding.delete(did);
        winding.delete(passing[0] ?? self);
        expect([...winding]).toEqual([...straight]);
        expect(new Set(straight)).toEqual(new Set(kept));
        expect(straight.size).toBe(kept.length);
      }),
    );
  });

  test("differs from node to node, and is not mutual", () => {
    const mutual = dids.flatMap((one) => {
      const neighbours = likelyNeighbours(one, dids);
      return neighbours.filter((other) => likelyNeighbours(other, dids).includes(one));
    });
    // Seven of 119 each: by chance one in seventeen is mutual, and every one would be with a symmetric rank.
    expect(viewCount(dids.length)).toBe(7);
    expect(mutual.length).toBeLessThan(dids.length * 2);
  });
});

describe("the links that nodes choose", () => {
  test("keep all connected when three of ten nodes are gone at once", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 120, maxLength: 120 }), (dice) => {
        const living = dids.filter((_, index) => (dice[index] ?? 0) >= 3);
        const edges = new Map<string, Set<string>>(living.map((did) => [did, new Set()]));
        for (const one of living) {
          for (const other of likelyNeighbours(one, dids)) {
            if (!edges.has(other)) continue;
            edges.get(one)?.add(other);
            edges.get(other)?.add(one);
          }
        }
        const reached = new Set<string>(living.slice(0, 1));
        for (const did of reached) for (const other of edges.get(did) ?? []) reached.add(other);
        expect(reached.size).toBe(living.length);
      }),
      { numRuns: 20 },
    );
  });

  test("grow with the logarithm of the number of members, and number at least six", () => {
    expect([1, 64, 65, 1000, 5000].map(viewCount)).toEqual([6, 6, 7, 10, 13]);
  });

  test("leave out who does not pass, and take the next", () => {
    const all = [...firstOf(dids, 4, () => true)];
    expect([...firstOf(dids, 3, (did) => did !== all[1])]).toEqual([all[0], all[2], all[3]]);
  });
});
