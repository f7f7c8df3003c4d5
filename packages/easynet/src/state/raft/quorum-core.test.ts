import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jointCommitted, jointVote, majorityCommitted, majorityVote, voterIds } from "./quorum-core.ts";

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 9 }).map((list) => new Set(list));
const some = fc
  .uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 })
  .map((list) => new Set(list));
const acked = fc
  .dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.integer({ min: 0, max: 20 }))
  .map((entries) => new Map(Object.entries(entries).map(([id, index]) => [Number(id), index])));
const votes = fc
  .dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.boolean())
  .map((entries) => new Map(Object.entries(entries).map(([id, vote]) => [Number(id), vote])));

describe("a majority", () => {
  test("has committed what more than half have, and nothing more", () => {
    fc.assert(
      fc.property(some, acked, (voters, indexes) => {
        const committed = majorityCommitted(voters, (id) => indexes.get(id));
        const countAt = (index: number): number => [...voters].filter((id) => (indexes.get(id) ?? 0) >= index).length;
        expect(countAt(committed) * 2).toBeGreaterThan(voters.size);
        expect(countAt(committed + 1) * 2).toBeLessThanOrEqual(voters.size);
      }),
    );
  });

  test("has decided when votes that are missing cannot change it", () => {
    fc.assert(
      fc.property(some, votes, (voters, cast) => {
        const isWon = (missingVote: boolean): boolean =>
          [...voters].filter((id) => cast.get(id) ?? missingVote).length * 2 > voters.size;
        const expected = isWon(false) ? "VoteWon" : isWon(true) ? "VotePending" : "VoteLost";
        expect(majorityVote(voters, cast)).toBe(expected);
      }),
    );
  });

  test("without voters agrees to everything", () => {
    expect(majorityCommitted(new Set(), () => 3)).toBe(Infinity);
    expect(majorityVote(new Set(), new Map([[1, false]]))).toBe("VoteWon");
  });
});

describe("two majorities that must agree", () => {
  test("come to the same result in either order", () => {
    fc.assert(
      fc.property(fc.tuple(ids, ids, acked, votes), ([incoming, outgoing, indexes, cast]) => {
        const mirrored = { incoming: outgoing, outgoing: incoming };
        const index = (id: number): number | undefined => indexes.get(id);
        expect(jointCommitted(mirrored, index)).toBe(jointCommitted({ incoming, outgoing }, index));
        expect(jointVote(mirrored, cast)).toBe(jointVote({ incoming, outgoing }, cast));
      }),
    );
  });

  test("are one when the other is empty or the same", () => {
    fc.assert(
      fc.property(ids, acked, votes, (voters, indexes, cast) => {
        const index = (id: number): number | undefined => indexes.get(id);
        for (const outgoing of [new Set<number>(), voters]) {
          expect(jointCommitted({ incoming: voters, outgoing }, index)).toBe(majorityCommitted(voters, index));
          expect(jointVote({ incoming: voters, outgoing }, cast)).toBe(majorityVote(voters, cast));
        }
      }),
    );
  });

  test("never commit what one of them does not have", () => {
    fc.assert(
      fc.property(some, some, acked, (incoming, outgoing, indexes) => {
        const index = (id: number): number | undefined => indexes.get(id);
        const committed = jointCommitted({ incoming, outgoing }, index);
        expect([majorityCommitted(incoming, index), majorityCommitted(outgoing, index)]).toContain(committed);
        expect(committed).toBeLessThanOrEqual(majorityCommitted(incoming, index));
        expect(committed).toBeLessThanOrEqual(majorityCommitted(outgoing, index));
      }),
    );
  });

  test("win only with both, and lose with one", () => {
    const voters = { incoming: new Set([1, 2, 3]), outgoing: new Set([3, 4, 5]) };
    const yes = (...from: readonly number[]) => new Map(from.map((id) => [id, true]));
    expect(jointVote(voters, yes(1, 2))).toBe("VotePending");
    expect(jointVote(voters, yes(1, 2, 4, 5))).toBe("VoteWon");
    expect(jointVote(voters, new Map([...yes(1, 2), [4, false], [5, false]]))).toBe("VoteLost");
    expect(voterIds(voters)).toEqual([1, 2, 3, 4, 5]);
  });
});
