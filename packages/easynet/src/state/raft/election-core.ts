/** Elections (Ongaro's dissertation 2014, sections 3.4 and 9.6; after raft.go of etcd-io/raft, Apache-2.0). */
import { isConfChange } from "./conf-change.ts";
import { hex } from "./describe.ts";
import { voterIds } from "./quorum-core.ts";
import type { Raft } from "./raft-core.ts";
import { broadcastAppend } from "./replication-core.ts";
import { type Message, NONE } from "./types.ts";

/** A pre-election changes no term; a transfer is an election that nobody's lease stops. */
export type Campaign = "pre-election" | "election" | "transfer";

const TRANSFER_CONTEXT = new TextEncoder().encode("CampaignTransfer");

export function isTransfer({ context }: Message): boolean {
  return context?.length === TRANSFER_CONTEXT.length && TRANSFER_CONTEXT.every((byte, at) => byte === context[at]);
}

/** Campaigns unless this node leads, has no vote, or has not applied a configuration change that it may be part of. */
export function hup(raft: Raft, kind: Campaign): void {
  const { id, log, logger, term } = raft;
  if (raft.state === "StateLeader") {
    logger?.("debug", `${hex(id)} ignoring MsgHup because already leader`);
  } else if (!raft.promotable) {
    logger?.("warn", `${hex(id)} is unpromotable and can not campaign`);
  } else if (log.some(log.applied + 1, log.committed + 1, isConfChange)) {
    const reason = "since there are still pending configuration changes to apply";
    logger?.("warn", `${hex(id)} cannot campaign at term ${term} ${reason}`);
  } else {
    logger?.("info", `${hex(id)} is starting a new election at term ${term}`);
    campaign(raft, kind);
  }
}

function campaign(raft: Raft, kind: Campaign): void {
  const isPre = kind === "pre-election";
  if (isPre) raft.becomePreCandidate();
  else raft.becomeCandidate();
  const term = isPre ? raft.term + 1 : raft.term;
  const type = isPre ? "MsgPreVote" : "MsgVote";
  const last = raft.log.lastEntryId();
  const context = kind === "transfer" ? TRANSFER_CONTEXT : undefined;
  for (const to of voterIds(raft.tracker.config)) {
    if (to === raft.id) {
      // Counted once it is durable, as anybody's vote.
      raft.send({ type: isPre ? "MsgPreVoteResp" : "MsgVoteResp", to, term });
      continue;
    }
    const position = `[logterm: ${last.term}, index: ${last.index}]`;
    raft.logger?.("info", `${hex(raft.id)} ${position} sent ${type} request to ${hex(to)} at term ${raft.term}`);
    raft.send({ type, to, term, index: last.index, logTerm: last.term, context });
  }
}

/** A vote came in for this candidate. */
export function countVote(raft: Raft, { from, type, reject }: Message): void {
  const { logger, tracker } = raft;
  logger?.(
    "info",
    `${hex(raft.id)} received ${type}${reject ? " rejection" : ""} from ${hex(from)} at term ${raft.term}`,
  );
  tracker.recordVote(from, !reject);
  const { granted, rejected, result } = tracker.tallyVotes();
  logger?.("info", `${hex(raft.id)} has received ${granted} ${type} votes and ${rejected} vote rejections`);
  if (result === "VoteLost") {
    raft.becomeFollower(raft.term, NONE);
  } else if (result === "VoteWon" && raft.state === "StatePreCandidate") {
    campaign(raft, "election");
  } else if (result === "VoteWon") {
    raft.becomeLeader();
    broadcastAppend(raft);
  }
}

/** Somebody asks for a vote, in the term of this node or (a pre-vote) a later one. */
export function castVote(raft: Raft, message: Message): void {
  const { from, type } = message;
  const isPre = type === "MsgPreVote";
  const canVote =
    raft.vote === from || (raft.vote === NONE && raft.lead === NONE) || (isPre && message.term > raft.term);
  const response = isPre ? "MsgPreVoteResp" : "MsgVoteResp";
  // Learners vote too: one may have been made a voter and not know it yet, and be needed.
  if (canVote && raft.log.isUpToDate({ term: message.logTerm, index: message.index })) {
    raft.logger?.("info", `${describeVote(raft)} cast ${type} for ${describeCandidate(raft, message)}`);
    raft.send({ type: response, to: from, term: message.term });
    if (isPre) return;
    raft.electionElapsed = 0;
    raft.vote = from;
  } else {
    raft.logger?.("info", `${describeVote(raft)} rejected ${type} from ${describeCandidate(raft, message)}`);
    raft.send({ type: response, to: from, term: raft.term, reject: true });
  }
}

export function describeVote(raft: Raft): string {
  const last = raft.log.lastEntryId();
  return `${hex(raft.id)} [logterm: ${last.term}, index: ${last.index}, vote: ${hex(raft.vote)}]`;
}

export function describeCandidate(raft: Raft, { from, logTerm, index }: Message): string {
  return `${hex(from)} [logterm: ${logTerm}, index: ${index}] at term ${raft.term}`;
}
