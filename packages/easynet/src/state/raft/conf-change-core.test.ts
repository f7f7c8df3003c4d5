import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEasynetError } from "../../kernel/index.ts";
import { Changer, restoreMembership } from "./conf-change-core.ts";
import { Inflights } from "./inflights-core.ts";
import { emptyMembership, type Membership, ProgressTracker } from "./tracker-core.ts";
import type { ConfChangeSingle, ConfState } from "./types.ts";

const newInflights = () => new Inflights(4, Infinity);
const change = fc.record<ConfChangeSingle>({
  type: fc.constantFrom(
    "ConfChangeAddNode",
    "ConfChangeRemoveNode",
    "ConfChangeUpdateNode",
    "ConfChangeAddLearnerNode",
  ),
  nodeId: fc.integer({ min: 0, max: 6 }),
});
interface Step {
  readonly kind: "simple" | "enter" | "leave";
  readonly changes: readonly ConfChangeSingle[];
  readonly auto: boolean;
}
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("simple" as const), changes: fc.array(change, { maxLength: 2 }), auto: fc.boolean() }),
  fc.record({ kind: fc.constant("enter" as const), changes: fc.array(change, { maxLength: 5 }), auto: fc.boolean() }),
  fc.record({ kind: fc.constant("leave" as const), changes: fc.constant([]), auto: fc.boolean() }),
);

function stateOf(membership: Membership): ConfState {
  const tracker = new ProgressTracker({ maxInflightMsgs: 4, maxInflightBytes: Infinity });
  tracker.membership = membership;
  return tracker.confState();
}

/** Undefined when it was refused. */
function changed(membership: Membership, { kind, changes, auto }: Step): Membership | undefined {
  try {
    const changer = new Changer({ membership, lastIndex: 10, newInflights });
    if (kind === "simple") return changer.simple(changes);
    return kind === "enter" ? changer.enterJoint(auto, changes) : changer.leaveJoint();
  } catch (error) {
    if (isEasynetError(error, "RAFT_CHANGE_REFUSED")) return undefined;
    throw error;
  }
}

describe("changes of members", () => {
  test("keep the members apart from each other, and never leave a group without voters", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        let membership = new Changer({ membership: emptyMembership(), lastIndex: 10, newInflights }).simple([
          { type: "ConfChangeAddNode", nodeId: 1 },
        ]);
        for (const each of steps) {
          const before = stateOf(membership);
          const after = changed(membership, each);
          expect(stateOf(membership)).toEqual(before);
          if (!after) continue;
          const { voters, votersOutgoing, learners, learnersNext, autoLeave } = stateOf(after);
          const all = new Set([...voters, ...votersOutgoing]);
          expect(voters.length).toBeGreaterThan(0);
          expect(learners.filter((id) => all.has(id))).toEqual([]);
          expect(learnersNext.filter((id) => !votersOutgoing.includes(id))).toEqual([]);
          expect(new Set(after.progress.keys())).toEqual(new Set([...all, ...learners]));
          const marked = [...after.progress].flatMap(([id, { isLearner }]) => (isLearner ? [id] : []));
          expect(new Set(marked)).toEqual(new Set(learners));
          const isJoint = votersOutgoing.length > 0;
          expect(!isJoint && (learnersNext.length > 0 || autoLeave)).toBe(false);
          const changedCount = new Set(voters).symmetricDifference(new Set(before.voters)).size;
          expect(each.kind === "simple" && changedCount > 1).toBe(false);
          membership = after;
        }
      }),
    );
  });

  test("any configuration comes back from what was stored of it", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        let membership = emptyMembership();
        for (const each of steps) membership = changed(membership, each) ?? membership;
        const state = stateOf(membership);
        const restored = restoreMembership({ membership: emptyMembership(), lastIndex: 10, newInflights }, state);
        expect(stateOf(restored)).toEqual(state);
      }),
    );
  });

  test("who is demoted in a joint configuration stays a voter until it is left", () => {
    const start = restoreMembership(
      { membership: emptyMembership(), lastIndex: 10, newInflights },
      {
        voters: [1, 2, 3],
        votersOutgoing: [],
        learners: [],
        learnersNext: [],
        autoLeave: false,
      },
    );
    const changes: ConfChangeSingle[] = [{ type: "ConfChangeAddLearnerNode", nodeId: 3 }];
    const joint = new Changer({ membership: start, lastIndex: 10, newInflights }).enterJoint(false, changes);
    expect(stateOf(joint)).toMatchObject({
      voters: [1, 2],
      votersOutgoing: [1, 2, 3],
      learners: [],
      learnersNext: [3],
    });
    const left = new Changer({ membership: joint, lastIndex: 10, newInflights }).leaveJoint();
    expect(stateOf(left)).toMatchObject({ voters: [1, 2], votersOutgoing: [], learners: [3], learnersNext: [] });
    expect(left.progress.get(3)?.isLearner).toBe(true);
  });
});
