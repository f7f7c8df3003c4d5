import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ConfState } from "../raft/types.ts";
import { nextChange } from "./growth-core.ts";

const conf = (voters: readonly number[], learners: readonly number[] = []): ConfState => ({
  voters,
  learners,
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
});
const fine = (id: number) => ({ id, caughtUp: true, lost: false });

describe("the members of a group", () => {
  test("come first as learners, and become voters two at a time", () => {
    const grow = (confState: ConfState, ids: readonly number[], candidate?: number) =>
      nextChange({ confState, self: 1, members: ids.map(fine), candidate });
    expect(grow(conf([1]), [1], 2)).toEqual([{ type: "ConfChangeAddLearnerNode", nodeId: 2 }]);
    expect(grow(conf([1], [2]), [1, 2])).toBeUndefined();
    expect(grow(conf([1], [2]), [1, 2], 3)).toEqual([{ type: "ConfChangeAddLearnerNode", nodeId: 3 }]);
    expect(grow(conf([1], [2, 3]), [1, 2, 3])).toEqual([
      { type: "ConfChangeAddNode", nodeId: 2 },
      { type: "ConfChangeAddNode", nodeId: 3 },
    ]);
    expect(grow(conf([1, 2, 3, 4, 5]), [1, 2, 3, 4, 5], 6)).toBeUndefined();
  });

  test("wait while one has not caught up, and while a change is under way", () => {
    const members = [fine(1), fine(2), { id: 3, caughtUp: false, lost: false }];
    expect(nextChange({ confState: conf([1], [2, 3]), self: 1, members, candidate: undefined })).toBeUndefined();
    const joint = { ...conf([1, 2, 3]), votersOutgoing: [1] };
    expect(nextChange({ confState: joint, self: 1, members: [1, 2, 3].map(fine), candidate: 4 })).toBeUndefined();
  });

  test("whatever is lost and whoever asks: there are 1, 3 or 5 voters after every change, and never fewer than before", () => {
    const step = fc.record({ lost: fc.array(fc.nat(12)), behind: fc.array(fc.nat(12)), asks: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let voters = [1];
        let learners: number[] = [];
        let next = 2;
        for (const { lost, behind, asks } of steps) {
          const members = [...voters, ...learners].map((id) => ({
            id,
            caughtUp: !behind.includes(id) && !lost.includes(id),
            lost: lost.includes(id),
          }));
          const candidate = asks ? next : undefined;
          const changes = nextChange({ confState: conf(voters, learners), self: voters[0] ?? 1, members, candidate });
          const before = voters.length;
          for (const { type, nodeId } of changes ?? []) {
            expect(nodeId).not.toBe(voters[0]);
            learners = learners.filter((id) => id !== nodeId);
            if (type === "ConfChangeAddNode") voters = [...voters, nodeId];
            else voters = voters.filter((id) => id !== nodeId);
            if (type === "ConfChangeAddLearnerNode") learners = [...learners, next++];
          }
          expect([1, 3, 5]).toContain(voters.length);
          expect(voters.length).toBeGreaterThanOrEqual(before);
          expect(voters.length + learners.length).toBeLessThanOrEqual(6);
        }
      }),
    );
  });
});
