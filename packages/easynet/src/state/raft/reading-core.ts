/** Linearizable reads on a leader (Ongaro's dissertation 2014, section 6.4; after raft.go of etcd-io/raft, Apache-2.0). */
import { NO_DATA } from "./entries.ts";
import type { Raft } from "./raft-core.ts";
import { READS_COUNT_MAX } from "./read-only-core.ts";
import { broadcastHeartbeat } from "./replication-core.ts";
import { type Message, NONE } from "./types.ts";

/**
 * Answers a read, now or once it may. etcd lets a leader that is the only voter answer before it committed anything in
 * its term; we do not, because what it committed before a restart may not be known to be committed yet.
 */
export function requestRead(raft: Raft, request: Message): void {
  if (raft.committedInCurrentTerm) startRead(raft, request);
  else if (raft.pendingReads.length < READS_COUNT_MAX) raft.pendingReads.push(request);
}

/** The first commit of the term: what waited for it goes on. */
export function releasePendingReads(raft: Raft): void {
  if (raft.pendingReads.length === 0 || !raft.committedInCurrentTerm) return;
  const requests = raft.pendingReads;
  raft.pendingReads = [];
  for (const request of requests) startRead(raft, request);
}

/** A member answered a heartbeat. */
export function confirmReads(raft: Raft, { from, context }: Message): void {
  if (raft.config.readOnlyOption !== "safe" || context === undefined || context.length === 0) return;
  raft.readOnly.receiveAck(from, context);
  for (const { request, index } of raft.readOnly.takeConfirmed(raft.tracker.config)) answerRead(raft, request, index);
}

function startRead(raft: Raft, request: Message): void {
  const { committed } = raft.log;
  if (raft.tracker.isSingleton || raft.config.readOnlyOption === "lease-based") {
    answerRead(raft, request, committed);
  } else if (raft.readOnly.addRequest(committed, request)) {
    raft.readOnly.receiveAck(raft.id, raft.readOnly.heartbeatContext());
    broadcastHeartbeat(raft);
  }
}

function answerRead(raft: Raft, request: Message, index: number): void {
  const { from, entries } = request;
  if (from === NONE || from === raft.id) {
    raft.readStates.push({ index, requestContext: entries[0]?.data ?? NO_DATA });
  } else {
    raft.send({ type: "MsgReadIndexResp", to: from, index, entries });
  }
}
