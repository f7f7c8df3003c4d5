/**
 * Messages between the nodes of a group, as one value each of MessagePack (docs/protocol/raft.md); whoever sends them puts
 * one or many into a frame. What is read is whole and possible: the core relies on it.
 */
import { assert, EasynetError } from "../../kernel/index.ts";
import { decodeConfChange } from "./conf-change.ts";
import { makeMessage } from "./messages.ts";
import {
  type ConfState,
  type Entry,
  type EntryType,
  type Message,
  type MessageType,
  NODE_ID_MAX,
  type Snapshot,
} from "./types.ts";

/** What crosses links, by its number there (etcd's). */
const TYPES: ReadonlyMap<unknown, MessageType> = new Map<unknown, MessageType>([
  [2, "MsgProp"],
  [3, "MsgApp"],
  [4, "MsgAppResp"],
  [5, "MsgVote"],
  [6, "MsgVoteResp"],
  [7, "MsgSnap"],
  [8, "MsgHeartbeat"],
  [9, "MsgHeartbeatResp"],
  [13, "MsgTransferLeader"],
  [14, "MsgTimeoutNow"],
  [15, "MsgReadIndex"],
  [16, "MsgReadIndexResp"],
  [17, "MsgPreVote"],
  [18, "MsgPreVoteResp"],
]);
const TYPE_NUMBERS = new Map([...TYPES].map(([number, type]) => [type, number] as const));

/** By their number on the wire. */
const ENTRY_TYPES: readonly EntryType[] = ["EntryNormal", "EntryConfChange", "EntryConfChangeV2"];

/** Entries of one message. */
export const MESSAGE_ENTRIES_COUNT_MAX = 65_536;
/** Data of one entry, in bytes. 512 KiB: half a frame. */
export const ENTRY_DATA_BYTES_MAX = 512 * 1024;
const CONTEXT_BYTES_MAX = 1024;
const MEMBERS_COUNT_MAX = 256;
/** Half of what is exact, so that counting on from a received number never leaves the exact ones. */
const COUNT_MAX = 2 ** 52;

/** @throws {EasynetError} INTERNAL for a message that never crosses a link */
export function messageToFields(message: Message): readonly unknown[] {
  const { type, to, from, term, logTerm, index, commit, entries, reject, rejectHint, context, snapshot } = message;
  assert(TYPE_NUMBERS.has(type), `${type} is not sent to others`);
  const fields: unknown[] = [
    TYPE_NUMBERS.get(type),
    to,
    from,
    term,
    logTerm,
    index,
    commit,
    entries.map(entryToFields),
  ];
  fields.push(reject ? rejectHint : null, context ?? null, snapshot ? snapshotToFields(snapshot) : null);
  while (fields.at(-1) === null) fields.pop();
  return fields;
}

/** An entry as four values, also for a log on disk. */
export function entryToFields({ term, index, type, data }: Entry): readonly unknown[] {
  return [term, index, ENTRY_TYPES.indexOf(type), data];
}

function snapshotToFields({ data, metadata: { index, term, confState } }: Snapshot): readonly unknown[] {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = confState;
  return [index, term, voters, votersOutgoing, learners, learnersNext, autoLeave, data];
}

/** @throws {EasynetError} FRAME_MALFORMED saying what is wrong */
export function messageFromFields(value: unknown): Message {
  const [typeNumber, to, from, term, logTerm, index, commit, entries, hint, context, snapshot] = list(
    value,
    11,
    "fields",
  );
  const type = TYPES.get(typeNumber);
  if (type === undefined) throw malformed("its type");
  const message = makeMessage({
    type,
    to: nodeId(to),
    from: nodeId(from),
    term: count(term, "its term"),
    logTerm: count(logTerm, "a log term"),
    index: count(index, "its index"),
    commit: count(commit, "its commit index"),
    entries: list(entries, MESSAGE_ENTRIES_COUNT_MAX, "entries").map(entryFromFields),
    reject: typeof hint === "number",
    rejectHint: count(hint ?? 0, "its hint"),
    context: context === undefined || context === null ? undefined : bytes(context, CONTEXT_BYTES_MAX, "its context"),
    snapshot: snapshot === undefined ? undefined : snapshotFromFields(snapshot),
  });
  checkPossible(message);
  return message;
}

/** What no node sends, and what the core must not see. */
function checkPossible({ type, term, index, entries, snapshot }: Message): void {
  // Without a term a message is taken for one of the node's own; proposals and reads have none whoever sends them.
  const isPassedOn = type === "MsgProp" || type === "MsgReadIndex";
  if (isPassedOn !== (term === 0)) throw malformed("its term");
  if (type === "MsgProp" && entries.length === 0) throw malformed("it proposes nothing");
  if ((type === "MsgReadIndex" || type === "MsgReadIndexResp") && entries.length !== 1) throw malformed("a read");
  if ((type === "MsgSnap") !== (snapshot !== undefined)) throw malformed("a snapshot");
  if (type !== "MsgApp") return;
  for (const [at, entry] of entries.entries()) {
    if (entry.index !== index + 1 + at) throw malformed("entries with gaps");
    if (entry.term === 0 || entry.term > term || entry.term < (entries[at - 1]?.term ?? 0)) throw malformed("a term");
  }
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function entryFromFields(value: unknown): Entry {
  const [term, index, typeNumber, data] = list(value, 4, "an entry");
  const type = typeof typeNumber === "number" ? ENTRY_TYPES[typeNumber] : undefined;
  if (!type) throw malformed("the kind of an entry");
  const entry = {
    term: count(term, "the term of an entry"),
    index: count(index, "the index of an entry"),
    type,
    data: bytes(data, ENTRY_DATA_BYTES_MAX, "the data of an entry"),
  };
  decodeConfChange(entry);
  return entry;
}

function snapshotFromFields(value: unknown): Snapshot {
  const [index, term, voters, votersOutgoing, learners, learnersNext, autoLeave, data] = list(value, 8, "a snapshot");
  if (typeof autoLeave !== "boolean") throw malformed("the members of a snapshot");
  const confState: ConfState = {
    voters: members(voters),
    votersOutgoing: members(votersOutgoing),
    learners: members(learners),
    learnersNext: members(learnersNext),
    autoLeave,
  };
  const position = { index: count(index, "the index of a snapshot"), term: count(term, "the term of a snapshot") };
  if (position.index === 0 || position.term === 0) throw malformed("an empty snapshot");
  return { data: bytes(data, Infinity, "the data of a snapshot"), metadata: { ...position, confState } };
}

function members(value: unknown): readonly number[] {
  return list(value, MEMBERS_COUNT_MAX, "the members of a snapshot").map(nodeId);
}

function list(value: unknown, countMax: number, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > countMax) throw malformed(what);
  return value;
}

function bytes(value: unknown, bytesMax: number, what: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length > bytesMax) throw malformed(what);
  return value;
}

function nodeId(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= NODE_ID_MAX) return value;
  throw malformed("a node id");
}

function count(value: unknown, what: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= COUNT_MAX) return value;
  throw malformed(what);
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `Raft message: ${what}` });
}
