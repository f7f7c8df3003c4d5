import { EasynetError } from "../../kernel/index.ts";
import { makeMessage } from "../raft/messages.ts";
import type { ConfState, Entry, EntryType, Message, MessageType, Snapshot } from "../raft/types.ts";

/** Numbers of message types on the wire (docs/protocol/consensus.md); never reused. Those that stay on a node have none. */
const TYPES: readonly MessageType[] = [
  "MsgApp",
  "MsgAppResp",
  "MsgVote",
  "MsgVoteResp",
  "MsgSnap",
  "MsgHeartbeat",
  "MsgHeartbeatResp",
  "MsgTimeoutNow",
  "MsgPreVote",
  "MsgPreVoteResp",
  "MsgReadIndex",
  "MsgReadIndexResp",
  "MsgTransferLeader",
];
const NUMBERS = new Map(TYPES.map((type, number) => [type, number]));
const ENTRY_TYPES: readonly EntryType[] = ["EntryNormal", "EntryConfChange", "EntryConfChangeV2"];
/** More entries than fit into one append. */
const ENTRIES_COUNT_MAX = 100_000;
/** Members of one group, of every kind. */
const MEMBERS_COUNT_MAX = 64;

type Fields = readonly unknown[];

/** Undefined for messages that never cross a link. The data of a snapshot travel apart. */
export function messageFields(message: Message): Fields | undefined {
  const number = NUMBERS.get(message.type);
  if (number === undefined) return undefined;
  const { to, from, term, logTerm, index, commit, reject, rejectHint, context, entries, snapshot } = message;
  return [
    number,
    to,
    from,
    term,
    logTerm,
    index,
    commit,
    reject,
    rejectHint,
    context ?? null,
    entries.map((entry) => [entry.index, ...entryFields(entry)]),
    snapshot ? metadataFields(snapshot.metadata) : null,
  ];
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function messageFrom(value: unknown, snapshotData: Uint8Array = new Uint8Array()): Message {
  const [number, to, from, term, logTerm, index, commit, reject, rejectHint, context, entries, metadata] = list(
    value,
    12,
  );
  const type = typeof number === "number" ? TYPES[number] : undefined;
  if (!type || typeof reject !== "boolean") throw malformed("a message");
  if (context !== null && !(context instanceof Uint8Array)) throw malformed("a context");
  return makeMessage({
    type,
    to: count(to),
    from: count(from),
    term: count(term),
    logTerm: count(logTerm),
    index: count(index),
    commit: count(commit),
    reject,
    rejectHint: count(rejectHint),
    context: context ?? undefined,
    entries: list(entries, ENTRIES_COUNT_MAX).map((fields) => {
      const [at, ...rest] = list(fields, 4);
      return entryFrom(count(at), rest);
    }),
    snapshot: metadata === null ? undefined : { data: snapshotData, metadata: metadataFrom(metadata) },
  });
}

/** Without the index, which its key says. */
export function entryFields({ term, type, data }: Entry): Fields {
  return [term, ENTRY_TYPES.indexOf(type), data];
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function entryFrom(index: number, value: unknown): Entry {
  const [term, number, data] = list(value, 3);
  const type = typeof number === "number" ? ENTRY_TYPES[number] : undefined;
  if (!type || !(data instanceof Uint8Array)) throw malformed("an entry");
  return { index, term: count(term), type, data };
}

export function metadataFields({ index, term, confState }: Snapshot["metadata"]): Fields {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = confState;
  return [index, term, voters, votersOutgoing, learners, learnersNext, autoLeave];
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function metadataFrom(value: unknown): Snapshot["metadata"] {
  const [index, term, voters, votersOutgoing, learners, learnersNext, autoLeave] = list(value, 7);
  const confState: ConfState = {
    voters: ids(voters),
    votersOutgoing: ids(votersOutgoing),
    learners: ids(learners),
    learnersNext: ids(learnersNext),
    autoLeave: autoLeave === true,
  };
  return { index: count(index), term: count(term), confState };
}

function ids(value: unknown): readonly number[] {
  return list(value, MEMBERS_COUNT_MAX).map(count);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function list(value: unknown, countMax: number): Fields {
  if (!Array.isArray(value) || value.length > countMax) throw malformed("a list");
  return value;
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function count(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw malformed("a number");
  return value;
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function text(value: unknown): string {
  if (typeof value !== "string") throw malformed("a text");
  return value;
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function bytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed("bytes");
  return value;
}

export function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `consensus: ${what}` });
}
