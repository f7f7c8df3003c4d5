/**
 * What a Raft node knows and is, and how it becomes something else. The files beside this one say what it does with
 * messages; `raw-node.ts` is what the outside sees. After raft.go of etcd-io/raft (Apache-2.0, commit cdfbeed), whose
 * names, order of messages and tie-breaks we follow; where we differ is said in docs/raft.md.
 */
import { assert } from "../../kernel/index.ts";
import type { ResolvedConfig } from "./config.ts";
import { hex } from "./describe.ts";
import { NO_DATA, payloadBytes } from "./entries.ts";
import { RaftLog } from "./log-core.ts";
import { makeMessage, type MessageFields } from "./messages.ts";
import { ReadOnly } from "./read-only-core.ts";
import { ProgressTracker } from "./tracker-core.ts";
import {
  type Entry,
  type HardState,
  type Message,
  NONE,
  type RaftLogger,
  type ReadState,
  type SoftState,
  type StateType,
} from "./types.ts";

/** Without the position, which the leader gives. */
export type Proposal = Pick<Entry, "type" | "data">;

export class Raft {
  readonly id: number;
  readonly config: ResolvedConfig;
  readonly logger: RaftLogger | undefined;
  readonly log: RaftLog;
  readonly tracker: ProgressTracker;
  term = 0;
  vote = NONE;
  state: StateType = "StateFollower";
  lead = NONE;
  leadTransferee = NONE;
  isLearner = false;
  /** Index of the last configuration change that may not be applied yet; only one may be under way. */
  pendingConfIndex = 0;
  readOnly = new ReadOnly();
  readStates: ReadState[] = [];
  /** Requests to read that came before the leader had committed anything in its term. */
  pendingReads: Message[] = [];
  /** To others, to be sent at once. */
  messages: Message[] = [];
  /** Votes and acknowledgements, also to this node itself: to be sent once everything before is durable. */
  messagesAfterAppend: Message[] = [];
  electionElapsed = 0;
  heartbeatElapsed = 0;
  randomizedElectionTimeout = 0;
  #uncommittedBytes = 0;

  constructor(config: ResolvedConfig) {
    const { storage, logger } = config;
    this.id = config.id;
    this.config = config;
    this.logger = logger;
    this.log = new RaftLog({ storage, applyingBytesMax: config.maxCommittedSizePerReady, logger });
    this.tracker = new ProgressTracker(config);
  }

  get softState(): SoftState {
    return { lead: this.lead, raftState: this.state };
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  /** A snapshot is of what is committed, even when the hard state was written before it. */
  loadState({ term, vote, commit }: HardState): void {
    const { committed, lastIndex } = this.log;
    assert(commit <= lastIndex, `stored commit index ${commit} is beyond the log's last index ${lastIndex}`);
    this.log.committed = Math.max(commit, committed);
    this.term = term;
    this.vote = vote;
  }

  /** A member with a vote, whose state machine has its snapshot. */
  get promotable(): boolean {
    const own = this.tracker.progress.get(this.id);
    return own !== undefined && !own.isLearner && this.log.unstable.snapshot === undefined;
  }

  get pastElectionTimeout(): boolean {
    return this.electionElapsed >= this.randomizedElectionTimeout;
  }

  /** False for a leader that may not know yet what earlier leaders committed. */
  get committedInCurrentTerm(): boolean {
    return this.log.termOrZero(this.log.committed) === this.term;
  }

  /** Votes and acknowledgements wait until what they promise is durable; anything else goes out at once. */
  send(fields: MessageFields): void {
    const { type } = fields;
    const isVoting = type === "MsgVote" || type === "MsgVoteResp" || type === "MsgPreVote" || type === "MsgPreVoteResp";
    assert(isVoting === ((fields.term ?? 0) !== 0), `${type}: only votes are sent with a term of their own`);
    // Proposals and reads are passed on to whoever leads, whatever the term.
    const isPassedOn = type === "MsgProp" || type === "MsgReadIndex";
    const term = isVoting ? fields.term : isPassedOn ? 0 : this.term;
    const message = makeMessage({ ...fields, from: fields.from || this.id, term: term ?? 0 });
    if (type === "MsgAppResp" || type === "MsgVoteResp" || type === "MsgPreVoteResp") {
      this.messagesAfterAppend.push(message);
    } else {
      assert(message.to !== this.id, `${type} is not sent to oneself`);
      this.messages.push(message);
    }
  }

  becomeFollower(term: number, lead: number): void {
    this.#reset(term);
    this.lead = lead;
    this.state = "StateFollower";
    this.logger?.("info", `${hex(this.id)} became follower at term ${this.term}`);
  }

  becomeCandidate(): void {
    assert(this.state !== "StateLeader", "a leader does not become a candidate");
    this.#reset(this.term + 1);
    this.vote = this.id;
    this.state = "StateCandidate";
    this.logger?.("info", `${hex(this.id)} became candidate at term ${this.term}`);
  }

  /** Neither term nor vote change. */
  becomePreCandidate(): void {
    assert(this.state !== "StateLeader", "a leader does not become a candidate");
    this.tracker.resetVotes();
    this.lead = NONE;
    this.state = "StatePreCandidate";
    this.logger?.("info", `${hex(this.id)} became pre-candidate at term ${this.term}`);
  }

  /** Begins its term with an empty entry: once that is committed, so is everything before. */
  becomeLeader(): void {
    assert(this.state !== "StateFollower", "a follower does not become a leader");
    this.#reset(this.term);
    this.lead = this.id;
    this.state = "StateLeader";
    const own = this.tracker.progress.get(this.id);
    assert(own, "a leader is a member");
    own.becomeReplicate();
    own.recentActive = true;
    // There may be a change among what is not committed; no other one before all of it is.
    this.pendingConfIndex = this.log.lastIndex;
    const accepted = this.appendEntries([{ type: "EntryNormal", data: NO_DATA }]);
    assert(accepted, "the empty entry of a new leader is never refused");
    this.logger?.("info", `${hex(this.id)} became leader at term ${this.term}`);
  }

  #reset(term: number): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = NONE;
    }
    this.lead = NONE;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    const { electionTick, random } = this.config;
    this.randomizedElectionTimeout = electionTick + Math.floor(random.next() * electionTick);
    this.leadTransferee = NONE;
    this.tracker.resetVotes();
    this.tracker.resetProgress(this.id, this.log.lastIndex);
    this.pendingConfIndex = 0;
    this.#uncommittedBytes = 0;
    this.readOnly = new ReadOnly();
  }

  /** Appends to the own log, and acknowledges that to itself once it is durable. @returns false when there is too much uncommitted */
  appendEntries(proposals: readonly Proposal[]): boolean {
    const { term } = this;
    const after = this.log.lastIndex + 1;
    const entries = proposals.map(({ type, data }, position) => ({ term, index: after + position, type, data }));
    const bytes = payloadBytes(entries);
    const known = this.#uncommittedBytes;
    // A single large proposal passes when nothing else waits; one without data always does.
    if (known > 0 && bytes > 0 && known + bytes > this.config.maxUncommittedEntriesSize) {
      const reason = "appending new entries to log would exceed uncommitted entry size limit; dropping proposal";
      this.logger?.("warn", `${hex(this.id)} ${reason}`);
      return false;
    }
    this.#uncommittedBytes += bytes;
    this.send({ type: "MsgAppResp", to: this.id, index: this.log.append(entries) });
    return true;
  }

  /** These were committed and applied. */
  reduceUncommitted(entries: readonly Entry[]): void {
    this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes - payloadBytes(entries));
  }
}
