import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, type Message, type MessageType, type Snapshot } from "./types.ts";

export type MessageFields = Pick<Message, "type"> & Partial<Message>;

const NO_LIST: readonly never[] = [];

/** A whole message; numbers that are not named are 0, lists empty. */
export function makeMessage(fields: MessageFields): Message {
  return {
    type: fields.type,
    to: fields.to ?? 0,
    from: fields.from ?? 0,
    term: fields.term ?? 0,
    logTerm: fields.logTerm ?? 0,
    index: fields.index ?? 0,
    entries: fields.entries ?? NO_LIST,
    commit: fields.commit ?? 0,
    vote: fields.vote ?? 0,
    snapshot: fields.snapshot,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    context: fields.context,
    responses: fields.responses ?? NO_LIST,
  };
}

const LOCAL: ReadonlySet<MessageType> = new Set<MessageType>([
  "MsgHup",
  "MsgBeat",
  "MsgUnreachable",
  "MsgSnapStatus",
  "MsgCheckQuorum",
  "MsgStorageAppend",
  "MsgStorageAppendResp",
  "MsgStorageApply",
  "MsgStorageApplyResp",
]);

const RESPONSES: ReadonlySet<MessageType> = new Set<MessageType>([
  "MsgAppResp",
  "MsgVoteResp",
  "MsgHeartbeatResp",
  "MsgUnreachable",
  "MsgReadIndexResp",
  "MsgPreVoteResp",
  "MsgStorageAppendResp",
  "MsgStorageApplyResp",
]);

/** True for what a node may only say to itself; it never crosses a link. */
export function isLocalMessage(type: MessageType): boolean {
  return LOCAL.has(type);
}

export function isResponseMessage(type: MessageType): boolean {
  return RESPONSES.has(type);
}

/** True for the two that do a node's storage work. */
export function isLocalTarget(id: number): boolean {
  return id === LOCAL_APPEND_THREAD || id === LOCAL_APPLY_THREAD;
}

/** True for no snapshot, and for the empty one of a log that begins. */
export function isEmptySnapshot(snapshot: Snapshot | undefined): boolean {
  return snapshot === undefined || snapshot.metadata.index === 0;
}
