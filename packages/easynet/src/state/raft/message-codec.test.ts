import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEasynetError } from "../../kernel/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { ENTRY_DATA_BYTES_MAX, messageFromFields, messageToFields } from "./message-codec.ts";
import { makeMessage } from "./messages.ts";
import { type Entry, LOCAL_APPEND_THREAD, type Message } from "./types.ts";

const index = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 50 }));
const term = index.map((each) => each + 1);
const id = fc.integer({ min: 1, max: 2 ** 53 - 3 });
const data = fc.uint8Array({ maxLength: 20 });
const ids = fc.array(id, { maxLength: 4 });
const context = fc.option(data, { nil: undefined });
const confState = fc.record({
  voters: ids,
  votersOutgoing: ids,
  learners: ids,
  learnersNext: ids,
  autoLeave: fc.boolean(),
});

const append = fc
  .record({ to: id, from: id, term, index, commit: index, datas: fc.array(data, { maxLength: 5 }) })
  .map(({ datas, ...fields }) => {
    const entries = datas.map((each, at): Entry => ({
      term: fields.term,
      index: fields.index + 1 + at,
      type: "EntryNormal",
      data: each,
    }));
    return makeMessage({ type: "MsgApp", ...fields, logTerm: fields.term, entries });
  });
const answer = fc
  .record({
    to: id,
    from: id,
    term,
    index,
    logTerm: index,
    commit: index,
    context,
    rejectHint: index,
    reject: fc.boolean(),
  })
  .chain((fields) =>
    fc
      .constantFrom("MsgAppResp", "MsgVote", "MsgVoteResp", "MsgPreVote", "MsgPreVoteResp", "MsgHeartbeat")
      .map((type) => makeMessage({ ...fields, type, rejectHint: fields.reject ? fields.rejectHint : 0 })),
  );
const proposal = fc.record({ to: id, from: id, data }).map((fields) => {
  const entries: Entry[] = [{ term: 0, index: 0, type: "EntryNormal", data: fields.data }];
  return makeMessage({ type: "MsgProp", to: fields.to, from: fields.from, entries });
});
const snapshot = fc
  .record({
    to: id,
    from: id,
    term,
    snapshot: fc.record({ data, metadata: fc.record({ index: term, term, confState }) }),
  })
  .map((fields) => makeMessage({ type: "MsgSnap", ...fields }));

const crossed = (message: Message): Message => messageFromFields(decodeValue(encodeValue(messageToFields(message))));

/** A message that a node sends, as fields; each test changes one of them. */
const good = (): unknown[] => [
  ...messageToFields(makeMessage({ type: "MsgApp", to: 2, from: 1, term: 3, index: 4, logTerm: 2 })),
];

/** Of the error that it throws; undefined when it does not. */
function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (isEasynetError(error)) return error.code;
    throw error;
  }
}

describe("messages between nodes", () => {
  test("arrive as they were sent", () => {
    fc.assert(
      fc.property(fc.oneof(append, answer, proposal, snapshot), (message) => {
        expect(crossed(message)).toEqual(message);
      }),
      { numRuns: 300 },
    );
  });

  test("what a node says to itself is never sent", () => {
    const local = makeMessage({ type: "MsgStorageAppend", to: LOCAL_APPEND_THREAD, from: 1 });
    expect(() => messageToFields(local)).toThrow(/not sent to others/);
  });

  test.each([
    ["the type of a local message", 0, 0],
    ["no type", 0, "MsgApp"],
    ["no recipient", 1, 0],
    ["a storage thread as recipient", 1, LOCAL_APPEND_THREAD],
    ["half a sender", 2, 1.5],
    ["no term, as if it were the node's own", 3, 0],
    ["a term beyond what counts exactly", 3, 2 ** 53],
    ["a negative index", 5, -1],
    ["entries that are no list", 7, 7],
    ["entries with a gap", 7, [[3, 6, 0, new Uint8Array()]]],
    ["an entry of a later term", 7, [[4, 5, 0, new Uint8Array()]]],
    [
      "entries whose terms go back",
      7,
      [
        [3, 5, 0, new Uint8Array()],
        [2, 6, 0, new Uint8Array()],
      ],
    ],
    ["an entry of an unknown kind", 7, [[3, 5, 3, new Uint8Array()]]],
    ["an entry without data", 7, [[3, 5, 0]]],
    ["an entry that is too large", 7, [[3, 5, 0, new Uint8Array(ENTRY_DATA_BYTES_MAX + 1)]]],
    ["a change of members that is none", 7, [[3, 5, 1, new Uint8Array([1])]]],
    ["a context that is no bytes", 9, "text"],
    ["a snapshot that does not belong to it", 10, [1, 1, [1], [], [], [], false, new Uint8Array()]],
  ])("refuses %s", (_, position, value) => {
    const fields: unknown[] = [...good(), ...Array<null>(3).fill(null)];
    fields[position] = value;
    if (position < 10) fields.pop();
    expect(() => messageFromFields(fields)).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" }));
  });

  test.each([
    ["a proposal of nothing", [2, 1, 2, 0, 0, 0, 0, []]],
    ["a proposal with a term", [2, 1, 2, 1, 0, 0, 0, [[0, 0, 0, new Uint8Array()]]]],
    ["a read without its name", [15, 1, 2, 0, 0, 0, 0, []]],
    ["a snapshot message without one", [7, 1, 2, 3, 0, 0, 0, []]],
    ["an empty snapshot", [7, 1, 2, 3, 0, 0, 0, [], null, null, [0, 0, [], [], [], [], false, new Uint8Array()]]],
    [
      "members that are no nodes",
      [7, 1, 2, 3, 0, 0, 0, [], null, null, [1, 1, [0], [], [], [], false, new Uint8Array()]],
    ],
    ["too many fields", [3, 1, 2, 3, 0, 0, 0, [], null, null, null, null]],
    ["nothing", undefined],
  ])("refuses %s", (_, fields) => {
    expect(() => messageFromFields(fields)).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" }));
  });

  test("anything else is a message or malformed, and nothing else happens", () => {
    const damaged = fc.tuple(fc.oneof(append, answer, proposal, snapshot), fc.nat(10), fc.anything());
    fc.assert(
      fc.property(damaged, ([message, position, value]) => {
        const fields = [...messageToFields(message)];
        fields[position] = value;
        const code = codeOf(() => messageFromFields(fields));
        expect([undefined, "FRAME_MALFORMED", "FRAME_TOO_DEEP"]).toContain(code);
      }),
      { numRuns: 500 },
    );
  });
});
