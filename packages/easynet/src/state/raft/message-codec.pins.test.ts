import { describe, expect, test } from "vitest";
import vectors from "../../../../../docs/protocol/vectors/raft.json" with { type: "json" };
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { decodeConfChange, encodeConfChange } from "./conf-change.ts";
import { messageFromFields, messageToFields } from "./message-codec.ts";
import { makeMessage } from "./messages.ts";
import type { ConfChange, ConfChangeV2, Entry, Message } from "./types.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const change: ConfChangeV2 = {
  transition: "ConfChangeTransitionJointExplicit",
  changes: [
    { type: "ConfChangeAddNode", nodeId: 3 },
    { type: "ConfChangeRemoveNode", nodeId: 1 },
  ],
  context: bytesOf("0102"),
};
const single: ConfChange = { type: "ConfChangeAddLearnerNode", nodeId: 4 };
const entries: Entry[] = [
  { term: 3, index: 8, type: "EntryNormal", data: bytesOf("cafe") },
  { term: 3, index: 9, type: "EntryConfChangeV2", data: Uint8Array.from(encodeConfChange(change).data) },
];
const confState = { voters: [1, 2], votersOutgoing: [1], learners: [3], learnersNext: [], autoLeave: true };
const snapshot = { data: bytesOf("01"), metadata: { index: 5, term: 2, confState } };

const messages: readonly Message[] = [
  makeMessage({ type: "MsgApp", to: 2, from: 1, term: 3, logTerm: 2, index: 7, commit: 6, entries }),
  makeMessage({ type: "MsgAppResp", to: 1, from: 2, term: 3, logTerm: 2, index: 7, reject: true, rejectHint: 5 }),
  makeMessage({ type: "MsgHeartbeat", to: 2, from: 1, term: 3, commit: 6, context: bytesOf("0100000000000000") }),
  makeMessage({ type: "MsgSnap", to: 2, from: 1, term: 3, snapshot }),
];

describe("Raft on the wire and in the log", () => {
  test.each(messages.map((message, at) => ({ message, vector: vectors.messages[at] })))(
    "$message.type",
    ({ message, vector }) => {
      expect(message).toMatchObject(vector?.fields ?? {});
      expect(message.entries.map(({ data }) => hexOf(data))).toEqual(vector?.entries.map(({ data }) => data));
      expect(hexOf(encodeValue(messageToFields(message)))).toBe(vector?.hex);
      expect(messageFromFields(decodeValue(bytesOf(vector?.hex ?? "")))).toEqual(message);
    },
  );

  test.each([change, single].map((each, at) => ({ each, vector: vectors.changes[at] })))(
    "a change: $vector.hex",
    ({ each, vector }) => {
      expect(each).toMatchObject(vector?.change ?? {});
      const entry = encodeConfChange(each);
      expect(hexOf(entry.data)).toBe(vector?.hex);
      expect(decodeConfChange(entry)).toEqual(each);
    },
  );

  test("all vectors are used", () => {
    expect([vectors.messages.length, vectors.changes.length]).toEqual([messages.length, 2]);
  });
});
