import type { Group } from "./group.ts";
import type { Replica } from "./replica.ts";
import type { GroupMember, GroupReport, GroupRole } from "./types.ts";

export function reportOf(group: Group): GroupReport {
  const { replica, name, leader } = group;
  const refusal = group.hopeless() ?? (leader === undefined ? "nobody leads" : undefined);
  if (replica) {
    const { term, commit, applied } = replica.status();
    const members = membersOf(group, replica);
    const voters = members.filter(({ vote }) => vote === "voter").length;
    const mayFail = Math.max(0, Math.floor((voters - 1) / 2));
    const numbers = { generation: replica.meta.generation, term, commitIndex: commit, appliedIndex: applied };
    return { group: name, role: roleOf(replica), leader, members, mayFail, refusal, ...numbers };
  }
  const { last } = group.sightings;
  const voters = new Set(last?.voters);
  const members = (last?.members ?? [])
    .filter(([id]) => voters.has(id))
    .map(([id, { did }]): GroupMember => ({ id, did, vote: "voter", reachable: group.isReachable(did) }));
  const numbers = { generation: last?.generation ?? 0, term: last?.term ?? 0, commitIndex: 0, appliedIndex: 0 };
  const mayFail = Math.max(0, Math.floor((members.length - 1) / 2));
  return { group: name, role: "client", leader, members, mayFail, refusal, ...numbers };
}

function membersOf(group: Group, replica: Replica): readonly GroupMember[] {
  const { voters, votersOutgoing, learners } = replica.confState;
  const voting = new Set([...voters, ...votersOutgoing]);
  const ids = [...new Set([...voting, ...learners])].sort((one, other) => one - other);
  return ids.flatMap((id) => {
    const did = replica.didOf(id);
    if (!did) return [];
    return [
      { id, did, vote: voting.has(id) ? ("voter" as const) : ("learner" as const), reachable: group.isReachable(did) },
    ];
  });
}

function roleOf(replica: Replica): GroupRole {
  if (replica.leads) return "leader";
  if (replica.confState.learners.includes(replica.meta.id)) return "learner";
  const { raftState } = replica.status();
  return raftState === "StateCandidate" || raftState === "StatePreCandidate" ? "candidate" : "follower";
}
