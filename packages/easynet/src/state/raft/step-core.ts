/** Messages and ticks coming in: terms first, then by what this node is (after raft.go of etcd-io/raft, Apache-2.0). */
import { LEAVE_JOINT_ENTRY } from "./conf-change.ts";
import { type ResolvedConfig } from "./config.ts";
import { describeConfig, hex } from "./describe.ts";
import { castVote, describeCandidate, describeVote, hup, isTransfer } from "./election-core.ts";
import { entriesBytes } from "./entries.ts";
import { stepCandidate, stepFollower } from "./follower-core.ts";
import { appendProposals, stepLeader } from "./leader-core.ts";
import { restoreConfState } from "./members-core.ts";
import { makeMessage } from "./messages.ts";
import { voterIds } from "./quorum-core.ts";
import { Raft } from "./raft-core.ts";
import { type Message, type MessageType, NONE, type StepRefusal } from "./types.ts";

/** A node as its storage remembers it. */
export function createRaft(config: ResolvedConfig): Raft {
  const raft = new Raft(config);
  const { hardState, confState } = config.storage.initialState();
  restoreConfState(raft, confState);
  const { term, vote, commit } = hardState;
  if (term !== 0 || vote !== NONE || commit !== 0) raft.loadState(hardState);
  const { log, id } = raft;
  if (config.applied > 0) {
    // What was applied was committed, even when the hard state was written before.
    log.commitTo(config.applied);
    log.appliedTo(config.applied, 0);
  }
  raft.becomeFollower(raft.term, NONE);
  const last = log.lastEntryId();
  const peers = `peers: [${voterIds(raft.tracker.config).map(hex).join(",")}]`;
  const indexes = `commit: ${log.committed}, applied: ${log.applied}, lastindex: ${last.index}, lastterm: ${last.term}`;
  raft.logger?.("info", `newRaft ${hex(id)} [${peers}, term: ${raft.term}, ${indexes}]`);
  return raft;
}

/** One tick of logical time. */
export function tick(raft: Raft): void {
  raft.electionElapsed++;
  if (raft.state === "StateLeader") {
    tickLeader(raft);
  } else if (raft.promotable && raft.pastElectionTimeout) {
    raft.electionElapsed = 0;
    step(raft, makeMessage({ type: "MsgHup", from: raft.id }));
  }
}

function tickLeader(raft: Raft): void {
  raft.heartbeatElapsed++;
  if (raft.electionElapsed >= raft.config.electionTick) {
    raft.electionElapsed = 0;
    if (raft.config.checkQuorum) step(raft, makeMessage({ type: "MsgCheckQuorum", from: raft.id }));
    // Whoever was to take over has had its time.
    if (raft.state === "StateLeader") raft.leadTransferee = NONE;
  }
  if (raft.state === "StateLeader" && raft.heartbeatElapsed >= raft.config.heartbeatTick) {
    raft.heartbeatElapsed = 0;
    step(raft, makeMessage({ type: "MsgBeat", from: raft.id }));
  }
}

export function step(raft: Raft, message: Message): StepRefusal | undefined {
  if (message.term > raft.term) {
    if (!meetHigherTerm(raft, message)) return undefined;
  } else if (message.term !== 0 && message.term < raft.term) {
    meetLowerTerm(raft, message);
    return undefined;
  }
  const anybody = STEPS[message.type];
  if (anybody) {
    anybody(raft, message);
    return undefined;
  }
  if (raft.state === "StateLeader") return stepLeader(raft, message);
  return raft.state === "StateFollower" ? stepFollower(raft, message) : stepCandidate(raft, message);
}

/** What is the same whatever this node is. */
const STEPS: Partial<Record<MessageType, (raft: Raft, message: Message) => void>> = {
  MsgHup: (raft) => hup(raft, raft.config.preVote ? "pre-election" : "election"),
  MsgVote: castVote,
  MsgPreVote: castVote,
  MsgStorageAppendResp(raft, message) {
    const { index, logTerm } = message;
    if (index !== 0) raft.log.unstable.stableTo({ term: logTerm, index });
    installed(raft, message);
  },
  MsgStorageApplyResp(raft, { entries }) {
    const last = entries.at(-1);
    if (!last) return;
    appliedTo(raft, last.index, entriesBytes(entries));
    raft.reduceUncommitted(entries);
  },
};

/** @returns false when the message is ignored */
function meetHigherTerm(raft: Raft, message: Message): boolean {
  const { type, from, term, reject } = message;
  if (type === "MsgVote" || type === "MsgPreVote") {
    const { electionTick, checkQuorum } = raft.config;
    const inLease = checkQuorum && raft.lead !== NONE && raft.electionElapsed < electionTick;
    if (inLease && !isTransfer(message)) {
      // Within an election timeout of a leader's last word nobody is elected.
      const rest = `lease is not expired (remaining ticks: ${electionTick - raft.electionElapsed})`;
      raft.logger?.("info", `${describeVote(raft)} ignored ${type} from ${describeCandidate(raft, message)}: ${rest}`);
      return false;
    }
  }
  // Pre-votes speak of a term that nobody is in yet; only a refusal tells of one that somebody is in.
  if (type === "MsgPreVote" || (type === "MsgPreVoteResp" && !reject)) return true;
  const what = `received a ${type} message with higher term from ${hex(from)} [term: ${term}]`;
  raft.logger?.("info", `${hex(raft.id)} [term: ${raft.term}] ${what}`);
  const isLeader = type === "MsgApp" || type === "MsgHeartbeat" || type === "MsgSnap";
  raft.becomeFollower(term, isLeader ? from : NONE);
  return true;
}

function meetLowerTerm(raft: Raft, message: Message): void {
  const { type, from, term, index } = message;
  const { checkQuorum, preVote } = raft.config;
  if ((checkQuorum || preVote) && (type === "MsgHeartbeat" || type === "MsgApp")) {
    // A leader of an old term does not step down for our votes, which its lease or a pre-vote keeps from anybody: tell
    // it our term, else this node could never come back.
    raft.send({ type: "MsgAppResp", to: from });
  } else if (type === "MsgPreVote") {
    // Silence could leave a group with terms above their logs' without a leader.
    raft.logger?.("info", `${describeVote(raft)} rejected ${type} from ${describeCandidate(raft, message)}`);
    raft.send({ type: "MsgPreVoteResp", to: from, term: raft.term, reject: true });
  } else if (type === "MsgStorageAppendResp") {
    // Since then, entries may have been replaced that are still being written; a snapshot is committed whatever the term.
    if (index !== 0) {
      const what = `ignored entry appends from a ${type} message with lower term [term: ${term}]`;
      raft.logger?.("info", `${hex(raft.id)} [term: ${raft.term}] ${what}`);
    }
    installed(raft, message);
  } else {
    const what = `ignored a ${type} message with lower term from ${hex(from)} [term: ${term}]`;
    raft.logger?.("info", `${hex(raft.id)} [term: ${raft.term}] ${what}`);
  }
}

/** Storage has the snapshot that this response carries. */
function installed(raft: Raft, { snapshot }: Message): void {
  if (!snapshot) return;
  const { index } = snapshot.metadata;
  raft.log.unstable.stableSnapshotTo(index);
  appliedTo(raft, index, 0);
}

function appliedTo(raft: Raft, index: number, bytes: number): void {
  const applied = Math.max(index, raft.log.applied);
  raft.log.appliedTo(applied, bytes);
  const { config } = raft.tracker;
  if (!config.autoLeave || applied < raft.pendingConfIndex || raft.state !== "StateLeader") return;
  // Tried again with each applied entry, in case a transfer of leadership stands in the way now.
  const described = describeConfig(config);
  const refusal = appendProposals(raft, [LEAVE_JOINT_ENTRY]);
  if (refusal === undefined) {
    raft.logger?.("info", `initiating automatic transition out of joint configuration ${described}`);
  } else {
    raft.logger?.("debug", `not initiating automatic transition out of joint configuration ${described}: ${refusal}`);
  }
}
