/** Configurations coming into force, from changes and from snapshots (after raft.go of etcd-io/raft, Apache-2.0). */
import { assert } from "../../kernel/index.ts";
import { jointOf, toV2 } from "./conf-change.ts";
import { Changer, type ChangerOptions, restoreMembership } from "./conf-change-core.ts";
import { describeConfig, hex } from "./describe.ts";
import type { Raft } from "./raft-core.ts";
import { broadcastAppend, maybeCommit, maybeSendAppend } from "./replication-core.ts";
import { emptyMembership, type Membership } from "./tracker-core.ts";
import { type ConfChange, type ConfChangeV2, type ConfState, NONE, type Snapshot } from "./types.ts";

function changerOptions(raft: Raft, membership: Membership): ChangerOptions {
  const { log, tracker } = raft;
  return { membership, lastIndex: log.lastIndex, newInflights: () => tracker.newInflights() };
}

/** @throws {EasynetError} RAFT_CHANGE_REFUSED; then nothing has changed */
export function applyConfChange(raft: Raft, change: ConfChange | ConfChangeV2): ConfState {
  const changer = new Changer(changerOptions(raft, raft.tracker.membership));
  const v2 = toV2(change);
  const joint = jointOf(v2);
  if (joint === "leave") return switchToConfig(raft, changer.leaveJoint());
  if (joint === "simple") return switchToConfig(raft, changer.simple(v2.changes));
  return switchToConfig(raft, changer.enterJoint(joint === "auto", v2.changes));
}

/** Makes the members those of a stored configuration or of a snapshot. */
export function restoreConfState(raft: Raft, confState: ConfState): void {
  const membership = restoreMembership(changerOptions(raft, emptyMembership()), confState);
  const restored = switchToConfig(raft, membership);
  assert(sameMembers(restored, confState), `the configuration ${JSON.stringify(confState)} cannot be restored`);
}

function sameMembers(first: ConfState, second: ConfState): boolean {
  const lists = (state: ConfState): string => {
    const { voters, votersOutgoing, learners, learnersNext } = state;
    const sorted = [voters, votersOutgoing, learners, learnersNext].map((ids) => ids.toSorted((a, b) => a - b));
    return JSON.stringify([sorted, state.autoLeave]);
  };
  return lists(first) === lists(second);
}

function switchToConfig(raft: Raft, membership: Membership): ConfState {
  const { id, tracker, logger } = raft;
  tracker.membership = membership;
  logger?.("info", `${hex(id)} switched to configuration ${describeConfig(tracker.config)}`);
  const confState = tracker.confState();
  const own = tracker.progress.get(id);
  raft.isLearner = own?.isLearner ?? false;
  if (raft.state !== "StateLeader") return confState;
  if (!own || own.isLearner) {
    if (raft.config.stepDownOnRemoval) raft.becomeFollower(raft.term, NONE);
    return confState;
  }
  if (confState.voters.length === 0) return confState;
  // A smaller quorum may have more; new members are probed at once.
  if (maybeCommit(raft)) {
    broadcastAppend(raft);
  } else {
    for (const member of tracker.progress.keys()) if (member !== id) maybeSendAppend(raft, member, false);
  }
  const { incoming, outgoing } = tracker.config;
  if (!incoming.has(raft.leadTransferee) && !outgoing.has(raft.leadTransferee)) raft.leadTransferee = NONE;
  return confState;
}

/** Takes over a snapshot that a leader sent. @returns false when it brings nothing, or is not for this node */
export function restoreSnapshot(raft: Raft, snapshot: Snapshot): boolean {
  const { id, log, logger } = raft;
  const { index, term, confState } = snapshot.metadata;
  if (index <= log.committed) return false;
  // Not while older entries are being applied: a change of members among them would be applied to those of the snapshot.
  // It is sent again.
  if (log.applying > log.applied) return false;
  assert(raft.state === "StateFollower", "only followers take snapshots");
  const { voters, votersOutgoing, learners } = confState;
  if (![...voters, ...votersOutgoing, ...learners].includes(id)) {
    const reason = `it is not in the ConfState ${JSON.stringify(confState)}; should never happen`;
    logger?.("warn", `${hex(id)} attempted to restore snapshot but ${reason}`);
    return false;
  }
  const describe = (): string => {
    const last = log.lastEntryId();
    return `${hex(id)} [commit: ${log.committed}, lastindex: ${last.index}, lastterm: ${last.term}]`;
  };
  if (log.matchTerm({ term, index })) {
    logger?.("info", `${describe()} fast-forwarded commit to snapshot [index: ${index}, term: ${term}]`);
    log.commitTo(index);
    return false;
  }
  log.restore(snapshot);
  restoreConfState(raft, confState);
  logger?.("info", `${describe()} restored snapshot [index: ${index}, term: ${term}]`);
  return true;
}
