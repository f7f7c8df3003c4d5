/**
 * Quorums of majorities and of two majorities that must agree (Ongaro's dissertation 2014, section 4.3; after the quorum
 * package of etcd-io/raft, Apache-2.0). A majority without voters decides nothing: joined with another one it changes
 * no result.
 */
export type VoteResult = "VotePending" | "VoteLost" | "VoteWon";

export interface JointVoters {
  readonly incoming: ReadonlySet<number>;
  /** Empty unless joint. */
  readonly outgoing: ReadonlySet<number>;
}

/** Highest index that a node has acknowledged; undefined when it is not known. */
export type AckedIndex = (id: number) => number | undefined;

/** The highest index that a majority has; Infinity without voters. */
export function majorityCommitted(voters: ReadonlySet<number>, ackedIndex: AckedIndex): number {
  if (voters.size === 0) return Infinity;
  const acked: number[] = [];
  for (const id of voters) acked.push(ackedIndex(id) ?? 0);
  acked.sort((first, second) => first - second);
  return acked[acked.length - (Math.floor(acked.length / 2) + 1)] ?? 0;
}

/** The highest index that both majorities have. */
export function jointCommitted(voters: JointVoters, ackedIndex: AckedIndex): number {
  return Math.min(majorityCommitted(voters.incoming, ackedIndex), majorityCommitted(voters.outgoing, ackedIndex));
}

/** @param votes of those who voted */
export function majorityVote(voters: ReadonlySet<number>, votes: ReadonlyMap<number, boolean>): VoteResult {
  if (voters.size === 0) return "VoteWon";
  let yesCount = 0;
  let missingCount = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) missingCount++;
    else if (vote) yesCount++;
  }
  const quorum = Math.floor(voters.size / 2) + 1;
  if (yesCount >= quorum) return "VoteWon";
  return yesCount + missingCount >= quorum ? "VotePending" : "VoteLost";
}

/** Lost as soon as one half has lost, won when both have won. */
export function jointVote(voters: JointVoters, votes: ReadonlyMap<number, boolean>): VoteResult {
  const incoming = majorityVote(voters.incoming, votes);
  const outgoing = majorityVote(voters.outgoing, votes);
  if (incoming === outgoing) return incoming;
  return incoming === "VoteLost" || outgoing === "VoteLost" ? "VoteLost" : "VotePending";
}

/** All voters, each once, ascending. */
export function voterIds(voters: JointVoters): number[] {
  return [...new Set([...voters.incoming, ...voters.outgoing])].toSorted((first, second) => first - second);
}
