/** What followers and candidates do with messages of their term (after raft.go of etcd-io/raft, Apache-2.0). */
import { hex } from "./describe.ts";
import { countVote, hup } from "./election-core.ts";
import { restoreSnapshot } from "./members-core.ts";
import type { Raft } from "./raft-core.ts";
import { type Message, type MessageType, NONE, type StepRefusal } from "./types.ts";

type Step = (raft: Raft, message: Message) => StepRefusal | undefined | void;

const FROM_LEADER: Partial<Record<MessageType, (raft: Raft, message: Message) => void>> = {
  MsgApp: handleAppend,
  MsgHeartbeat: handleHeartbeat,
  MsgSnap: handleSnapshot,
};

export function stepFollower(raft: Raft, message: Message): StepRefusal | undefined {
  const fromLeader = FROM_LEADER[message.type];
  if (!fromLeader) return FOLLOWER_STEPS[message.type]?.(raft, message) ?? undefined;
  raft.electionElapsed = 0;
  raft.lead = message.from;
  fromLeader(raft, message);
  return undefined;
}

const FOLLOWER_STEPS: Partial<Record<MessageType, Step>> = {
  MsgProp(raft, message) {
    if (raft.lead === NONE) return dropProposal(raft);
    if (raft.config.disableProposalForwarding) {
      const where = `to leader ${hex(raft.lead)} at term ${raft.term}`;
      raft.logger?.("info", `${hex(raft.id)} not forwarding ${where}; dropping proposal`);
      return "proposal-dropped";
    }
    raft.send({ ...message, to: raft.lead });
    return undefined;
  },
  MsgTransferLeader: (raft, message) => passOn(raft, message, "leader transfer msg"),
  MsgReadIndex: (raft, message) => passOn(raft, message, "index reading msg"),
  MsgForgetLeader(raft) {
    if (raft.config.readOnlyOption === "lease-based") {
      raft.logger?.("error", "ignoring MsgForgetLeader due to ReadOnlyLeaseBased");
    } else if (raft.lead !== NONE) {
      raft.logger?.("info", `${hex(raft.id)} forgetting leader ${hex(raft.lead)} at term ${raft.term}`);
      raft.lead = NONE;
    }
  },
  MsgTimeoutNow(raft, { from }) {
    const what = `received MsgTimeoutNow from ${hex(from)} and starts an election to get leadership.`;
    raft.logger?.("info", `${hex(raft.id)} [term ${raft.term}] ${what}`);
    // Whoever hands leadership over is alive: there is no need to ask before.
    hup(raft, "transfer");
  },
  MsgReadIndexResp(raft, { from, index, entries }) {
    const [entry] = entries;
    if (entry) {
      raft.readStates.push({ index, requestContext: entry.data });
    } else {
      raft.logger?.("error", `${hex(raft.id)} invalid format of MsgReadIndexResp from ${hex(from)}, entries count: 0`);
    }
  },
};

function passOn(raft: Raft, message: Message, what: string): undefined {
  if (raft.lead === NONE) {
    raft.logger?.("info", `${hex(raft.id)} no leader at term ${raft.term}; dropping ${what}`);
  } else {
    raft.send({ ...message, to: raft.lead });
  }
}

/** Also for those who ask in a pre-election. */
export function stepCandidate(raft: Raft, message: Message): StepRefusal | undefined {
  const { type, term, from } = message;
  const fromLeader = FROM_LEADER[type];
  if (fromLeader) {
    raft.becomeFollower(term, from);
    fromLeader(raft, message);
  } else if (type === "MsgProp") {
    return dropProposal(raft);
  } else if (type === (raft.state === "StatePreCandidate" ? "MsgPreVoteResp" : "MsgVoteResp")) {
    countVote(raft, message);
  } else if (type === "MsgTimeoutNow") {
    const state = `[term ${raft.term} state ${raft.state}]`;
    raft.logger?.("debug", `${hex(raft.id)} ${state} ignored MsgTimeoutNow from ${hex(from)}`);
  }
  return undefined;
}

function dropProposal(raft: Raft): StepRefusal {
  raft.logger?.("info", `${hex(raft.id)} no leader at term ${raft.term}; dropping proposal`);
  return "proposal-dropped";
}

function handleAppend(raft: Raft, message: Message): void {
  const { log } = raft;
  const { from: to, index, logTerm, commit, entries } = message;
  if (index < log.committed) {
    raft.send({ type: "MsgAppResp", to, index: log.committed });
    return;
  }
  const last = log.maybeAppend({ term: logTerm, index }, entries, commit);
  if (last !== undefined) {
    raft.send({ type: "MsgAppResp", to, index: last });
    return;
  }
  const own = `[logterm: ${log.termOrZero(index)}, index: ${index}]`;
  const theirs = `[logterm: ${logTerm}, index: ${index}]`;
  raft.logger?.("debug", `${hex(raft.id)} ${own} rejected MsgApp ${theirs} from ${hex(to)}`);
  // Where the logs may match at most: a term of ours that is above the leader's cannot be in the leader's log.
  const hint = log.findConflictByTerm(Math.min(index, log.lastIndex), logTerm);
  raft.send({ type: "MsgAppResp", to, index, reject: true, rejectHint: hint.index, logTerm: hint.term });
}

function handleHeartbeat(raft: Raft, { from, commit, context }: Message): void {
  raft.log.commitTo(commit);
  raft.send({ type: "MsgHeartbeatResp", to: from, context });
}

function handleSnapshot(raft: Raft, { from, snapshot }: Message): void {
  if (!snapshot) return;
  const { index, term } = snapshot.metadata;
  const restored = restoreSnapshot(raft, snapshot);
  const { committed, lastIndex } = raft.log;
  const what = `${restored ? "restored" : "ignored"} snapshot [index: ${index}, term: ${term}]`;
  raft.logger?.("info", `${hex(raft.id)} [commit: ${committed}] ${what}`);
  raft.send({ type: "MsgAppResp", to: from, index: restored ? lastIndex : committed });
}
