import { assert } from "../../kernel/index.ts";
import { encodeConfChange } from "./conf-change.ts";
import { resolveConfig } from "./config.ts";
import { entriesBytes } from "./entries.ts";
import { applyConfChange } from "./members-core.ts";
import { isLocalMessage, isLocalTarget, isResponseMessage, makeMessage } from "./messages.ts";
import type { Raft } from "./raft-core.ts";
import { createRaft, step, tick } from "./step-core.ts";
import {
  type ConfChange,
  type ConfChangeV2,
  type ConfState,
  type Entry,
  type HardState,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  type Message,
  NONE,
  type RaftConfig,
  type RaftNode,
  type RaftStatus,
  type Ready,
  type Snapshot,
  type SoftState,
  type StepRefusal,
} from "./types.ts";

/**
 * A Raft node without threads, clocks or disks: feed it ticks and messages, perform what each {@link Ready} says (after
 * rawnode.go of etcd-io/raft, Apache-2.0).
 */
export class RawNode implements RaftNode {
  readonly #raft: Raft;
  readonly #async: boolean;
  #softState: SoftState;
  #hardState: HardState;
  /** What the last Ready's work means to the node itself. */
  #stepsOnAdvance: Message[] = [];

  /** @throws {EasynetError} INVALID_ARGUMENT for a configuration that cannot work */
  constructor(config: RaftConfig) {
    const resolved = resolveConfig(config);
    this.#raft = createRaft(resolved);
    this.#async = resolved.asyncStorageWrites;
    this.#softState = this.#raft.softState;
    this.#hardState = this.#raft.hardState;
  }

  tick(): void {
    tick(this.#raft);
  }

  step(message: Message): StepRefusal | undefined {
    const { type, from } = message;
    if (!isLocalTarget(from)) {
      if (isLocalMessage(type)) return "local-message";
      if (isResponseMessage(type) && !this.#raft.tracker.progress.has(from)) return "peer-unknown";
    }
    return step(this.#raft, message);
  }

  campaign(): StepRefusal | undefined {
    return step(this.#raft, makeMessage({ type: "MsgHup" }));
  }

  propose(data: Uint8Array): StepRefusal | undefined {
    return this.proposeAll([data]);
  }

  proposeAll(data: readonly Uint8Array[]): StepRefusal | undefined {
    return data.length === 0 ? undefined : this.#propose(data.map((each) => ({ type: "EntryNormal", data: each })));
  }

  proposeConfChange(change: ConfChange | ConfChangeV2): StepRefusal | undefined {
    return this.#propose([encodeConfChange(change)]);
  }

  #propose(proposals: readonly Pick<Entry, "type" | "data">[]): StepRefusal | undefined {
    const entries = proposals.map(({ type, data }): Entry => ({ term: 0, index: 0, type, data }));
    return step(this.#raft, makeMessage({ type: "MsgProp", from: this.#raft.id, entries }));
  }

  applyConfChange(change: ConfChange | ConfChangeV2): ConfState {
    return applyConfChange(this.#raft, change);
  }

  hasReady(): boolean {
    const raft = this.#raft;
    const { log } = raft;
    return (
      this.#changedSoftState() !== undefined ||
      this.#changedHardState() !== undefined ||
      raft.messages.length > 0 ||
      raft.messagesAfterAppend.length > 0 ||
      raft.readStates.length > 0 ||
      log.unstable.hasNextEntries ||
      log.unstable.nextSnapshot !== undefined ||
      log.hasNextCommitted(!this.#async)
    );
  }

  ready(): Ready {
    const raft = this.#raft;
    const { log } = raft;
    assert(this.#stepsOnAdvance.length === 0, "advance() comes before the next Ready");
    const entries = log.unstable.nextEntries();
    const snapshot = log.unstable.nextSnapshot;
    const committedEntries = log.nextCommitted(!this.#async);
    const softState = this.#changedSoftState();
    const hardState = this.#changedHardState();
    const mustSync = entries.length > 0 || raft.vote !== this.#hardState.vote || raft.term !== this.#hardState.term;
    const work = { entries, snapshot, hardState, committedEntries };
    const messages = this.#async ? this.#storageMessages(work) : this.#messagesNow(work);
    const ready = { softState, readStates: raft.readStates, messages, mustSync, ...work };
    this.#accept(ready);
    return ready;
  }

  #changedSoftState(): SoftState | undefined {
    const { lead, state } = this.#raft;
    const known = this.#softState;
    return lead === known.lead && state === known.raftState ? undefined : this.#raft.softState;
  }

  #changedHardState(): HardState | undefined {
    const { term, vote, log } = this.#raft;
    const known = this.#hardState;
    const isSame = term === known.term && vote === known.vote && log.committed === known.commit;
    return isSame ? undefined : this.#raft.hardState;
  }

  /** Synchronous: the entries are durable before messages are sent, so all may go; those to this node itself wait for `advance`. */
  #messagesNow({ snapshot, committedEntries }: Pick<Ready, "snapshot" | "committedEntries">): readonly Message[] {
    const { id, messages, messagesAfterAppend } = this.#raft;
    const toOthers = messagesAfterAppend.filter(({ to }) => to !== id);
    this.#stepsOnAdvance = messagesAfterAppend.filter(({ to }) => to === id);
    if (this.#needsAppendResponse(snapshot)) this.#stepsOnAdvance.push(this.#appendResponse(snapshot));
    if (committedEntries.length > 0) this.#stepsOnAdvance.push(this.#applyResponse(committedEntries));
    return [...messages, ...toOthers];
  }

  #storageMessages(work: Pick<Ready, "entries" | "snapshot" | "hardState" | "committedEntries">): readonly Message[] {
    const { id: from, messages, messagesAfterAppend } = this.#raft;
    const { entries, snapshot, hardState, committedEntries } = work;
    const all = [...messages];
    if (entries.length > 0 || snapshot || hardState || messagesAfterAppend.length > 0) {
      // The acknowledgement of stability comes last: handling the others is faster while the entries are still here.
      const responses = this.#needsAppendResponse(snapshot)
        ? [...messagesAfterAppend, this.#appendResponse(snapshot)]
        : messagesAfterAppend;
      const type = "MsgStorageAppend";
      all.push(makeMessage({ type, to: LOCAL_APPEND_THREAD, from, entries, snapshot, responses, ...hardState }));
    }
    if (committedEntries.length > 0) {
      const responses = [this.#applyResponse(committedEntries)];
      const type = "MsgStorageApply";
      all.push(makeMessage({ type, to: LOCAL_APPLY_THREAD, from, entries: committedEntries, responses }));
    }
    return all;
  }

  #needsAppendResponse(snapshot: Snapshot | undefined): boolean {
    return this.#raft.log.unstable.entries.length > 0 || snapshot !== undefined;
  }

  /**
   * Says that the log is durable up to its end. It names the end of the log even when this Ready has no entries, and the
   * term: a write that was handed out in an earlier term may still be replaced by one under way, so its response is
   * ignored, and that of a later write has to speak for it.
   */
  #appendResponse(snapshot: Snapshot | undefined): Message {
    const { id: to, term, log } = this.#raft;
    const last = log.unstable.entries.length > 0 ? log.lastEntryId() : { term: 0, index: 0 };
    const position = { index: last.index, logTerm: last.term };
    return makeMessage({ type: "MsgStorageAppendResp", to, from: LOCAL_APPEND_THREAD, term, snapshot, ...position });
  }

  #applyResponse(entries: readonly Entry[]): Message {
    return makeMessage({ type: "MsgStorageApplyResp", to: this.#raft.id, from: LOCAL_APPLY_THREAD, entries });
  }

  #accept({ softState, hardState, committedEntries }: Ready): void {
    const raft = this.#raft;
    this.#softState = softState ?? this.#softState;
    this.#hardState = hardState ?? this.#hardState;
    raft.readStates = [];
    raft.messages = [];
    raft.messagesAfterAppend = [];
    raft.log.unstable.acceptInProgress();
    const last = committedEntries.at(-1);
    if (last) raft.log.acceptApplying(last.index, entriesBytes(committedEntries), !this.#async);
  }

  advance(): void {
    assert(!this.#async, "with asynchronous storage writes, responses take the place of advance()");
    const steps = this.#stepsOnAdvance;
    this.#stepsOnAdvance = [];
    for (const message of steps) step(this.#raft, message);
  }

  status(): RaftStatus {
    const { id, term, vote, lead, state: raftState, leadTransferee, log, tracker } = this.#raft;
    const members = raftState === "StateLeader" ? [...tracker.progress] : [];
    const { committed: commit, applied } = log;
    const progress = members.map(([member, known]) => known.status(member));
    const confState = tracker.confState();
    return { id, term, vote, commit, lead, raftState, applied, leadTransferee, confState, progress };
  }

  /** Instead of the one that was drawn, until this node changes its state: whoever should be elected gets less. */
  setRandomizedElectionTimeout(ticks: number): void {
    this.#raft.randomizedElectionTimeout = ticks;
  }

  reportUnreachable(id: number): void {
    step(this.#raft, makeMessage({ type: "MsgUnreachable", from: id }));
  }

  reportSnapshot(id: number, outcome: "finish" | "failure"): void {
    step(this.#raft, makeMessage({ type: "MsgSnapStatus", from: id, reject: outcome === "failure" }));
  }

  transferLeader(to: number): void {
    step(this.#raft, makeMessage({ type: "MsgTransferLeader", from: to }));
  }

  forgetLeader(): void {
    step(this.#raft, makeMessage({ type: "MsgForgetLeader", from: NONE }));
  }

  readIndex(requestContext: Uint8Array): void {
    const entries: Entry[] = [{ term: 0, index: 0, type: "EntryNormal", data: requestContext }];
    step(this.#raft, makeMessage({ type: "MsgReadIndex", entries }));
  }
}
