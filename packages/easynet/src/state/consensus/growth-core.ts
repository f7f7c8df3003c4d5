import type { ConfChangeSingle, ConfState } from "../raft/types.ts";

/** Members of a group at most, those that only follow included. */
const MEMBERS_COUNT_MAX = 5;

/** What a leader knows of one member. */
export interface MemberView {
  readonly id: number;
  /** It has (nearly) everything, and was heard of lately. */
  readonly caughtUp: boolean;
  /** Nobody heard of it for so long that it counts as gone for good. */
  readonly lost: boolean;
}

export interface GrowthView {
  readonly confState: ConfState;
  /** This node, which leads. */
  readonly self: number;
  readonly members: readonly MemberView[];
  /** The id for the stable node that may join next; undefined when there is none. */
  readonly candidate: number | undefined;
}

/**
 * The next change of members, if there is one to make. First learners, which hold a copy and have no vote; when two of
 * them have caught up, both become voters in one joint change, so that there are 1, 3 or 5 voters at every moment. Who is
 * lost for long is replaced by a learner, as long as a majority is there to decide it; voters never become fewer.
 */
export function nextChange({
  confState,
  self,
  members,
  candidate,
}: GrowthView): readonly ConfChangeSingle[] | undefined {
  const { voters, votersOutgoing, learners } = confState;
  if (votersOutgoing.length > 0) return undefined;
  const view = new Map(members.map((member) => [member.id, member]));
  const ready = learners.filter((id) => view.get(id)?.caughtUp);
  const [first, second] = ready;
  const lostVoter = voters.find((id) => id !== self && view.get(id)?.lost);
  if (lostVoter !== undefined && first !== undefined) {
    return [
      { type: "ConfChangeAddNode", nodeId: first },
      { type: "ConfChangeRemoveNode", nodeId: lostVoter },
    ];
  }
  if (voters.length < MEMBERS_COUNT_MAX && first !== undefined && second !== undefined) {
    return [
      { type: "ConfChangeAddNode", nodeId: first },
      { type: "ConfChangeAddNode", nodeId: second },
    ];
  }
  const lostLearner = learners.find((id) => view.get(id)?.lost);
  if (lostLearner !== undefined) return [{ type: "ConfChangeRemoveNode", nodeId: lostLearner }];
  const hasRoom = voters.length + learners.length < MEMBERS_COUNT_MAX + (lostVoter === undefined ? 0 : 1);
  if (hasRoom && candidate !== undefined) return [{ type: "ConfChangeAddLearnerNode", nodeId: candidate }];
  return undefined;
}
