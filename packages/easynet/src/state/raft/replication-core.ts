/** What a leader sends to bring its followers forward (after raft.go of etcd-io/raft, Apache-2.0). */
import { assert } from "../../kernel/index.ts";
import { describeProgress, hex } from "./describe.ts";
import { payloadBytes } from "./entries.ts";
import { isEmptySnapshot } from "./messages.ts";
import type { Progress } from "./progress-core.ts";
import type { Raft } from "./raft-core.ts";

/** Sends entries, or at least the commit index, unless the flow to that member is paused. */
export function sendAppend(raft: Raft, to: number): void {
  maybeSendAppend(raft, to, true);
}

/** @param sendIfEmpty also without entries, to tell the commit index. @returns true when something was sent */
export function maybeSendAppend(raft: Raft, to: number, sendIfEmpty: boolean): boolean {
  const progress = raft.tracker.progress.get(to);
  assert(progress, `node ${to} is a member`);
  if (progress.isPaused) return false;
  const index = progress.next - 1;
  const logTerm = raft.log.term(index);
  if (typeof logTerm !== "number") return maybeSendSnapshot(raft, to, progress);
  // A full window lets only empty appends pass: they are answered, which empties it when everything in it was lost.
  const throttled = progress.state === "StateReplicate" && progress.inflights.full;
  const entries = throttled ? [] : raft.log.entries(progress.next, raft.config.maxSizePerMsg);
  if (entries.length === 0 && !sendIfEmpty) return false;
  if (typeof entries === "string") return maybeSendSnapshot(raft, to, progress);
  const commit = raft.log.committed;
  raft.send({ type: "MsgApp", to, index, logTerm, entries, commit });
  progress.sentEntries(entries.length, payloadBytes(entries));
  progress.sentCommit = commit;
  return true;
}

/** For a member that needs what the log no longer has. @returns true when a snapshot was sent */
function maybeSendSnapshot(raft: Raft, to: number, progress: Progress): boolean {
  const { id, log, logger } = raft;
  if (!progress.recentActive) {
    logger?.("debug", `ignore sending snapshot to ${hex(to)} since it is not recently active`);
    return false;
  }
  const snapshot = log.snapshot();
  if (snapshot === "unavailable") {
    const reason = "because snapshot is temporarily unavailable";
    logger?.("debug", `${hex(id)} failed to send snapshot to ${hex(to)} ${reason}`);
    return false;
  }
  assert(!isEmptySnapshot(snapshot), "a log that was cut off has a snapshot");
  const { index, term } = snapshot.metadata;
  const describe = (): string => `${hex(to)} [${describeProgress(progress.status(to))}]`;
  logger?.(
    "debug",
    `${hex(id)} [firstindex: ${log.firstIndex}, commit: ${log.committed}] sent snapshot[index: ${index}, term: ${term}] to ${describe()}`,
  );
  progress.becomeSnapshot(index);
  logger?.("debug", `${hex(id)} paused sending replication messages to ${describe()}`);
  raft.send({ type: "MsgSnap", to, snapshot });
  return true;
}

export function broadcastAppend(raft: Raft): void {
  for (const id of raft.tracker.progress.keys()) if (id !== raft.id) sendAppend(raft, id);
}

/** Carries the number of the last read that waits to be confirmed. */
export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.readOnly.heartbeatContext();
  for (const [to, progress] of raft.tracker.progress) {
    if (to === raft.id) continue;
    // Never more than the member is known to have: its log may still hold something else there.
    const commit = Math.min(progress.match, raft.log.committed);
    raft.send({ type: "MsgHeartbeat", to, commit, context });
    progress.sentCommit = commit;
  }
}

/** Commits what a quorum has. @returns true when that was more than before */
export function maybeCommit(raft: Raft): boolean {
  return raft.log.maybeCommit({ term: raft.term, index: raft.tracker.committed() });
}
