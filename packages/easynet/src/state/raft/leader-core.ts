/** What a leader does with messages of its term (after raft.go of etcd-io/raft, Apache-2.0). */
import { assert } from "../../kernel/index.ts";
import { decodeConfChange, toV2 } from "./conf-change.ts";
import { describeChange, describeConfig, describeProgress, hex } from "./describe.ts";
import { NO_DATA } from "./entries.ts";
import type { Progress } from "./progress-core.ts";
import type { Proposal, Raft } from "./raft-core.ts";
import { confirmReads, releasePendingReads, requestRead } from "./reading-core.ts";
import { broadcastAppend, broadcastHeartbeat, maybeCommit, maybeSendAppend, sendAppend } from "./replication-core.ts";
import { type ConfChange, type ConfChangeV2, type Message, type MessageType, NONE, type StepRefusal } from "./types.ts";

export function stepLeader(raft: Raft, message: Message): StepRefusal | undefined {
  const step = LEADER_STEPS[message.type];
  if (step) return step(raft, message) ?? undefined;
  const progress = raft.tracker.progress.get(message.from);
  if (progress) MEMBER_STEPS[message.type]?.(raft, message, progress);
  else raft.logger?.("debug", `${hex(raft.id)} no progress available for ${hex(message.from)}`);
  return undefined;
}

const LEADER_STEPS: Partial<Record<MessageType, (raft: Raft, message: Message) => StepRefusal | undefined | void>> = {
  MsgBeat: broadcastHeartbeat,
  MsgCheckQuorum: checkQuorum,
  MsgProp: (raft, { entries }) => appendProposals(raft, entries),
  MsgReadIndex: requestRead,
  MsgForgetLeader: () => undefined,
};

type MemberStep = (raft: Raft, message: Message, progress: Progress) => void;

const MEMBER_STEPS: Partial<Record<MessageType, MemberStep>> = {
  MsgAppResp(raft, message, progress) {
    progress.recentActive = true;
    if (message.reject) handleRejection(raft, message, progress);
    else handleAcknowledgement(raft, message, progress);
  },
  MsgHeartbeatResp(raft, message, progress) {
    progress.recentActive = true;
    progress.flowPaused = false;
    if (progress.match < raft.log.lastIndex || progress.state === "StateProbe") sendAppend(raft, message.from);
    confirmReads(raft, message);
  },
  MsgSnapStatus(raft, { from, reject }, progress) {
    if (progress.state !== "StateSnapshot") return;
    if (reject) progress.pendingSnapshot = 0;
    progress.becomeProbe();
    const what = `snapshot ${reject ? "failed" : "succeeded"}, resumed sending replication messages to`;
    raft.logger?.("debug", `${hex(raft.id)} ${what} ${describe(from, progress)}`);
    // The answer of the member, or after a failure a heartbeat, comes before the next append.
    progress.flowPaused = true;
  },
  MsgUnreachable(raft, { from }, progress) {
    // What was on its way is probably lost.
    if (progress.state === "StateReplicate") progress.becomeProbe();
    const why = `because it is unreachable [${describeProgress(progress.status(from))}]`;
    raft.logger?.("debug", `${hex(raft.id)} failed to send message to ${hex(from)} ${why}`);
  },
  MsgTransferLeader: transferLeader,
};

function describe(id: number, progress: Progress): string {
  return `${hex(id)} [${describeProgress(progress.status(id))}]`;
}

function checkQuorum(raft: Raft): void {
  if (!raft.tracker.quorumActive()) {
    raft.logger?.("warn", `${hex(raft.id)} stepped down to follower since quorum is not active`);
    raft.becomeFollower(raft.term, NONE);
  }
  for (const [id, progress] of raft.tracker.progress) if (id !== raft.id) progress.recentActive = false;
}

/** Also called when a joint configuration is to be left by itself. */
export function appendProposals(raft: Raft, proposals: readonly Proposal[]): StepRefusal | undefined {
  assert(proposals.length > 0, "a proposal proposes something");
  // Removed while it led.
  if (!raft.tracker.progress.has(raft.id)) return "proposal-dropped";
  if (raft.leadTransferee !== NONE) {
    const reason = `transfer leadership to ${hex(raft.leadTransferee)} is in progress; dropping proposal`;
    raft.logger?.("debug", `${hex(raft.id)} [term ${raft.term}] ${reason}`);
    return "proposal-dropped";
  }
  const changes = proposals.map(decodeConfChange);
  const after = raft.log.lastIndex + 1;
  const checked = proposals.map((proposal, position): Proposal => {
    const change = changes[position];
    if (!change) return proposal;
    const problem = raft.config.disableConfChangeValidation ? undefined : problemOf(raft, change);
    if (problem === undefined) {
      raft.pendingConfIndex = after + position;
      return proposal;
    }
    const where = `at config ${describeConfig(raft.tracker.config)}: ${problem}`;
    raft.logger?.("info", `${hex(raft.id)} ignoring conf change ${describeChange(change)} ${where}`);
    return { type: "EntryNormal", data: NO_DATA };
  });
  if (!raft.appendEntries(checked)) return "proposal-dropped";
  broadcastAppend(raft);
  return undefined;
}

/** Why a change cannot be proposed now. */
function problemOf(raft: Raft, change: ConfChange | ConfChangeV2): string | undefined {
  const { pendingConfIndex, log } = raft;
  const isJoint = raft.tracker.config.outgoing.size > 0;
  const leavesJoint = toV2(change).changes.length === 0;
  if (pendingConfIndex > log.applied) {
    return `possible unapplied conf change at index ${pendingConfIndex} (applied to ${log.applied})`;
  }
  if (isJoint && !leavesJoint) return "must transition out of joint config first";
  return !isJoint && leavesJoint ? "not in joint state; refusing empty conf change" : undefined;
}

function handleRejection(raft: Raft, message: Message, progress: Progress): void {
  const { from, index, rejectHint, logTerm } = message;
  const hint = `(rejected, hint: (index ${rejectHint}, term ${logTerm}))`;
  raft.logger?.("debug", `${hex(raft.id)} received MsgAppResp${hint} from ${hex(from)} for index ${index}`);
  // Where our term is above the member's at the hint, the logs cannot match: one probe for each term, not each entry.
  const next = logTerm > 0 ? raft.log.findConflictByTerm(rejectHint, logTerm).index : rejectHint;
  if (!progress.maybeDecreaseTo(index, next)) return;
  raft.logger?.(
    "debug",
    `${hex(raft.id)} decreased progress of ${hex(from)} to [${describeProgress(progress.status(from))}]`,
  );
  if (progress.state === "StateReplicate") progress.becomeProbe();
  sendAppend(raft, from);
}

function handleAcknowledgement(raft: Raft, { from, index }: Message, progress: Progress): void {
  const { log } = raft;
  const isAnswerToProbe = progress.match === index && progress.state === "StateProbe";
  if (!progress.maybeUpdate(index) && !isAnswerToProbe) return;
  if (progress.state === "StateProbe") {
    progress.becomeReplicate();
  } else if (progress.state === "StateReplicate") {
    progress.inflights.freeUpTo(index);
  } else if (progress.match + 1 >= log.firstIndex) {
    // Whatever snapshot it got, the log reaches it now.
    const what = "recovered from needing snapshot, resumed sending replication messages to";
    raft.logger?.("debug", `${hex(raft.id)} ${what} ${describe(from, progress)}`);
    progress.becomeProbe();
    progress.becomeReplicate();
  }
  if (maybeCommit(raft)) {
    releasePendingReads(raft);
    broadcastAppend(raft);
  } else if (from !== raft.id && progress.canBumpCommit(log.committed)) {
    sendAppend(raft, from);
  }
  // The window has room again: fill it.
  if (from !== raft.id) while (maybeSendAppend(raft, from, false));
  if (from === raft.leadTransferee && progress.match === log.lastIndex) {
    raft.logger?.("info", `${hex(raft.id)} sent MsgTimeoutNow to ${hex(from)} after received MsgAppResp`);
    raft.send({ type: "MsgTimeoutNow", to: from });
  }
}

function transferLeader(raft: Raft, { from: to }: Message, progress: Progress): void {
  const self = hex(raft.id);
  const known = raft.leadTransferee;
  if (progress.isLearner) {
    raft.logger?.("debug", `${self} is learner. Ignored transferring leadership`);
    return;
  }
  if (known === to) {
    const what = `transfer leadership to ${hex(to)} is in progress, ignores request to same node ${hex(to)}`;
    raft.logger?.("info", `${self} [term ${raft.term}] ${what}`);
    return;
  }
  if (known !== NONE) {
    raft.leadTransferee = NONE;
    raft.logger?.("info", `${self} [term ${raft.term}] abort previous transferring leadership to ${hex(known)}`);
  }
  if (to === raft.id) {
    raft.logger?.("debug", `${self} is already leader. Ignored transferring leadership to self`);
    return;
  }
  raft.logger?.("info", `${self} [term ${raft.term}] starts to transfer leadership to ${hex(to)}`);
  // It has one election timeout; then this node leads on.
  raft.electionElapsed = 0;
  raft.leadTransferee = to;
  if (progress.match === raft.log.lastIndex) {
    raft.send({ type: "MsgTimeoutNow", to });
    const why = `immediately as ${hex(to)} already has up-to-date log`;
    raft.logger?.("info", `${self} sends MsgTimeoutNow to ${hex(to)} ${why}`);
  } else {
    sendAppend(raft, to);
  }
}
