/**
 * The words of our Raft core. Model and names are those of etcd-io/raft (Apache-2.0, commit cdfbeed; Ongaro and Ousterhout
 * 2014, Ongaro's dissertation 2014): a pure state machine that is stepped with messages and ticks, and hands out what is
 * to be stored, sent and applied as a {@link Ready}. It does no I/O and knows no clock.
 * Indexes and terms are whole numbers up to 2^53 - 1, node ids from 1 to {@link NODE_ID_MAX}.
 */
import type { Random } from "../../kernel/index.ts";

/** The id of nobody: no leader, no vote. */
export const NONE = 0;
/** Where `MsgStorageAppend` goes: whoever writes the log of this node. */
export const LOCAL_APPEND_THREAD = Number.MAX_SAFE_INTEGER;
/** Where `MsgStorageApply` goes: whoever applies committed entries on this node. */
export const LOCAL_APPLY_THREAD = Number.MAX_SAFE_INTEGER - 1;
export const NODE_ID_MAX = Number.MAX_SAFE_INTEGER - 2;

export type EntryType = "EntryNormal" | "EntryConfChange" | "EntryConfChangeV2";

/** One position of the log. Never changed after it was made; it is shared between log, messages and Ready. */
export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly type: EntryType;
  /** Empty for the entry with which a leader begins its term; a configuration change as `decodeConfChange` reads it. */
  readonly data: Uint8Array;
}

/** What a node must have on disk before it answers anybody. */
export interface HardState {
  readonly term: number;
  /** Whom this node voted for in `term`. */
  readonly vote: number;
  readonly commit: number;
}

/** What a node may forget when it stops. */
export interface SoftState {
  readonly lead: number;
  readonly raftState: StateType;
}

export type StateType = "StateFollower" | "StateCandidate" | "StateLeader" | "StatePreCandidate";

/** Members of a group; joint while `votersOutgoing` is not empty. All lists ascend. */
export interface ConfState {
  readonly voters: readonly number[];
  readonly votersOutgoing: readonly number[];
  readonly learners: readonly number[];
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  readonly learnersNext: readonly number[];
  readonly autoLeave: boolean;
}

/** The state of the application after `metadata.index`; index 0 is no snapshot. */
export interface Snapshot {
  readonly data: Uint8Array;
  readonly metadata: { readonly index: number; readonly term: number; readonly confState: ConfState };
}

/** Local ones never cross a link: `isLocalMessage`. */
export type MessageType =
  | "MsgHup"
  | "MsgBeat"
  | "MsgProp"
  | "MsgApp"
  | "MsgAppResp"
  | "MsgVote"
  | "MsgVoteResp"
  | "MsgSnap"
  | "MsgHeartbeat"
  | "MsgHeartbeatResp"
  | "MsgUnreachable"
  | "MsgSnapStatus"
  | "MsgCheckQuorum"
  | "MsgTransferLeader"
  | "MsgTimeoutNow"
  | "MsgReadIndex"
  | "MsgReadIndexResp"
  | "MsgPreVote"
  | "MsgPreVoteResp"
  | "MsgStorageAppend"
  | "MsgStorageAppendResp"
  | "MsgStorageApply"
  | "MsgStorageApplyResp"
  | "MsgForgetLeader";

/** Make one with `makeMessage`, which fills in what is not named. */
export interface Message {
  readonly type: MessageType;
  readonly to: number;
  readonly from: number;
  /** 0 for local messages. */
  readonly term: number;
  /** Term of the entry at `index`; with a rejected append, of the hint. */
  readonly logTerm: number;
  readonly index: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  /** Only with `MsgStorageAppend`, whose term, vote and commit are a hard state unless all are 0. */
  readonly vote: number;
  readonly snapshot: Snapshot | undefined;
  readonly reject: boolean;
  readonly rejectHint: number;
  readonly context: Uint8Array | undefined;
  /** Only with `MsgStorageAppend` and `MsgStorageApply`: to be delivered once the work is done. */
  readonly responses: readonly Message[];
}

export type ConfChangeType =
  | "ConfChangeAddNode"
  | "ConfChangeRemoveNode"
  | "ConfChangeUpdateNode"
  | "ConfChangeAddLearnerNode";

export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  /** 0 changes nothing. */
  readonly nodeId: number;
}

/** One change, in the older kind of entry that never enters a joint configuration. */
export interface ConfChange extends ConfChangeSingle {
  readonly context?: Uint8Array;
}

/** Auto: joint when there is more than one change. Implicit: joint, left by itself. Explicit: joint until told to leave. */
export type ConfChangeTransition =
  | "ConfChangeTransitionAuto"
  | "ConfChangeTransitionJointImplicit"
  | "ConfChangeTransitionJointExplicit";

/** Several changes at once; without changes and with transition auto it leaves a joint configuration. */
export interface ConfChangeV2 {
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context?: Uint8Array;
}

/** An answer to `readIndex`: whoever has applied `index` may read for the request named by `requestContext`. */
export interface ReadState {
  readonly index: number;
  readonly requestContext: Uint8Array;
}

/**
 * What is to be done now. Without asynchronous storage writes, in this order: write `hardState`, `snapshot` and
 * `entries` (durably when `mustSync`), then send `messages`, apply `committedEntries`, and call `advance()`.
 * With them, only deliver `messages`: those to {@link LOCAL_APPEND_THREAD} and {@link LOCAL_APPLY_THREAD} are the work,
 * in order for each of the two, and carry the responses to deliver once it is done; there is no `advance()`.
 */
export interface Ready {
  /** Only when it changed. */
  readonly softState: SoftState | undefined;
  /** Only when it changed. */
  readonly hardState: HardState | undefined;
  readonly readStates: readonly ReadState[];
  /** To be written to the log BEFORE `messages` are sent; they replace what the log holds from the first one's index on. */
  readonly entries: readonly Entry[];
  /** To be installed BEFORE `entries` are written and anything else is applied; it replaces the whole log. */
  readonly snapshot: Snapshot | undefined;
  readonly committedEntries: readonly Entry[];
  readonly messages: readonly Message[];
  /** Entries, term or vote changed: the write must be durable before messages are sent. */
  readonly mustSync: boolean;
}

/** Why a log position cannot be read: it lies behind the last compaction, or is not there (yet). */
export type Missing = "compacted" | "unavailable";

/**
 * What is durable, for the core to read; whoever performs a {@link Ready} writes it. An implementation that throws makes
 * the node unusable.
 */
export interface RaftStorage {
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /**
   * Entries from `low` to before `high`, cut off so that they have at most `bytesMax` as `entryBytes` counts them,
   * but at least one.
   */
  entries(low: number, high: number, bytesMax: number): readonly Entry[] | Missing;
  /** Of an index from `firstIndex() - 1` to `lastIndex()`; the term just before the first entry is kept. */
  term(index: number): number | Missing;
  firstIndex(): number;
  lastIndex(): number;
  /** The newest snapshot; "unavailable" while one is being made: asked again later. */
  snapshot(): Snapshot | "unavailable";
}

/** What the core would tell somebody who watches it, in etcd's words. Texts are only made when there is such a function. */
export type RaftLogger = (level: "debug" | "info" | "warn" | "error", text: string) => void;

export interface RaftConfig {
  /** Of this node, 1 to {@link NODE_ID_MAX}. */
  readonly id: number;
  /** Ticks without a leader after which a follower campaigns; drawn between once and twice as many. Ten heartbeats. */
  readonly electionTick: number;
  /** Ticks between two heartbeats of a leader, at least 1 and below `electionTick`. */
  readonly heartbeatTick: number;
  readonly storage: RaftStorage;
  readonly random: Random;
  /** Last index that the application has applied, when it starts again. @default the start of the log */
  readonly applied?: number;
  /** Storage work comes as messages, and appends may overlap. @default false */
  readonly asyncStorageWrites?: boolean;
  /** Bytes of entries in one append; 0 sends one entry each. @default unlimited */
  readonly maxSizePerMsg?: number;
  /** Bytes of committed entries handed out and not yet applied. @default `maxSizePerMsg` */
  readonly maxCommittedSizePerReady?: number;
  /** Bytes of a leader's uncommitted entries; proposals beyond are dropped. @default unlimited */
  readonly maxUncommittedEntriesSize?: number;
  /** Appends sent to a follower and not answered, at least 1. Bounds memory for a slow follower. */
  readonly maxInflightMsgs: number;
  /** Their bytes; not below `maxSizePerMsg`. @default unlimited */
  readonly maxInflightBytes?: number;
  /** A leader that does not hear from a quorum steps down. @default false */
  readonly checkQuorum?: boolean;
  /** Ask before raising the term, so that a node that was away disturbs nobody. @default false */
  readonly preVote?: boolean;
  /** "lease-based" trusts that clocks drift little, and needs `checkQuorum`. @default "safe" */
  readonly readOnlyOption?: "safe" | "lease-based";
  /** Followers drop proposals instead of passing them to the leader. @default false */
  readonly disableProposalForwarding?: boolean;
  /** Does not check configuration changes when they are proposed. @default false */
  readonly disableConfChangeValidation?: boolean;
  /** A leader that was removed, or made a learner, steps down. @default false */
  readonly stepDownOnRemoval?: boolean;
  readonly logger?: RaftLogger;
}

/**
 * Why a call did nothing. "proposal-dropped": no leader, a transfer under way, or too much uncommitted; ask again.
 * "local-message": only this node itself may say that. "peer-unknown": an answer of a node that is not a member.
 */
export type StepRefusal = "proposal-dropped" | "local-message" | "peer-unknown";

/** How a leader sends to one follower: one probe per heartbeat, a stream, or a snapshot that is on its way. */
export type ProgressState = "StateProbe" | "StateReplicate" | "StateSnapshot";

/** What a leader knows about one member. */
export interface ProgressStatus {
  readonly id: number;
  readonly state: ProgressState;
  /** Highest index known to be in the member's log. */
  readonly match: number;
  readonly next: number;
  readonly isLearner: boolean;
  readonly isPaused: boolean;
  /** Heard from since the last check of the quorum. */
  readonly recentActive: boolean;
  /** 0 when no snapshot is on its way. */
  readonly pendingSnapshot: number;
  readonly inflightCount: number;
  readonly inflightFull: boolean;
}

export interface RaftStatus extends HardState, SoftState {
  readonly id: number;
  readonly applied: number;
  /** {@link NONE} unless leadership is being handed over. */
  readonly leadTransferee: number;
  readonly confState: ConfState;
  /** By ascending id; empty unless this node leads. */
  readonly progress: readonly ProgressStatus[];
}

/** The interface of `RawNode`. Nothing here throws but for a broken assumption (a damaged log, a broken promise of storage). */
export interface RaftNode {
  /** One tick of logical time: elections and heartbeats. */
  tick(): void;
  /** Feeds a message of a peer, or a response of a storage thread. */
  step(message: Message): StepRefusal | undefined;
  campaign(): StepRefusal | undefined;
  propose(data: Uint8Array): StepRefusal | undefined;
  /** Several at once, in one append to each member: all of them or none. */
  proposeAll(data: readonly Uint8Array[]): StepRefusal | undefined;
  /** Dropped silently (as an empty entry) while another change is pending: see `Ready.committedEntries`. */
  proposeConfChange(change: ConfChange | ConfChangeV2): StepRefusal | undefined;
  /** To be called for each committed change, unless the application rejects it. */
  applyConfChange(change: ConfChange | ConfChangeV2): ConfState;
  hasReady(): boolean;
  /** Takes what is to be done; it must be done. */
  ready(): Ready;
  /** The last Ready was performed. Not with asynchronous storage writes. */
  advance(): void;
  status(): RaftStatus;
  /** The last messages to a node did not get through. */
  reportUnreachable(id: number): void;
  reportSnapshot(id: number, outcome: "finish" | "failure"): void;
  transferLeader(to: number): void;
  /** A follower forgets its leader, so that it may vote at once; not with lease-based reads. */
  forgetLeader(): void;
  /** Asks from which index on a read is linearizable; the answer comes in `Ready.readStates`, or is lost. */
  readIndex(requestContext: Uint8Array): void;
}
