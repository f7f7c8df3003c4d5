import { describe, expect, test } from "vitest";
import { storageOf, TestGroup, TestRaft } from "../../../../../test/support/raft-group.ts";
import type { RaftStorage } from "./types.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe("snapshots", () => {
  const confState = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

  /** A leader whose log begins behind a snapshot at index 2. */
  function leaderBehindSnapshot(isBusy = () => false): TestRaft {
    const storage = storageOf({ voters: [1, 2], terms: [1, 1], term: 1, commit: 2 });
    storage.createSnapshot(2, bytes("state"), confState);
    storage.compact(2);
    const port: RaftStorage = {
      initialState: () => storage.initialState(),
      entries: (low, high, bytesMax) => storage.entries(low, high, bytesMax),
      term: (index) => storage.term(index),
      firstIndex: () => storage.firstIndex(),
      lastIndex: () => storage.lastIndex(),
      snapshot: () => (isBusy() ? "unavailable" : storage.snapshot()),
    };
    const leader = new TestRaft(1, storage, { storage: port });
    leader.elect(2);
    return leader;
  }

  test("bring a member that is behind the log to its end", () => {
    const member = new TestRaft(2, storageOf({ voters: [1, 2] }));
    const group = new TestGroup([leaderBehindSnapshot(), member]);
    group.settle();
    group.tick(1);
    group.propose(1, "after");
    expect(member.storage.snapshot()).toEqual({ data: bytes("state"), metadata: { index: 2, term: 1, confState } });
    expect(member.appliedTexts).toEqual(["after"]);
    expect(group.node(1).raw.status().progress[1]).toMatchObject({ state: "StateReplicate", match: 4 });
  });

  test("that are being made are asked for again, and one that failed is sent again", () => {
    let isBusy = true;
    const leader = leaderBehindSnapshot(() => isBusy);
    const refuse = () => leader.step({ type: "MsgAppResp", from: 2, term: 2, index: 2, reject: true });
    leader.take();
    refuse();
    expect(leader.take()).toEqual([]);
    isBusy = false;
    leader.step({ type: "MsgHeartbeatResp", from: 2, term: 2 });
    expect(leader.take()).toMatchObject([{ type: "MsgSnap", snapshot: { metadata: { index: 2 } } }]);
    expect(leader.raw.status().progress[1]).toMatchObject({ state: "StateSnapshot", pendingSnapshot: 2 });
    leader.raw.reportSnapshot(2, "failure");
    expect(leader.raw.status().progress[1]).toMatchObject({ state: "StateProbe", next: 1, isPaused: true });
    leader.step({ type: "MsgHeartbeatResp", from: 2, term: 2 });
    expect(leader.take()).toMatchObject([{ type: "MsgSnap" }]);
    leader.raw.reportSnapshot(2, "finish");
    expect(leader.raw.status().progress[1]).toMatchObject({ state: "StateProbe", next: 3, isPaused: true });
  });

  test("of other members, or older than what is committed, are ignored", () => {
    const node = new TestRaft(3, storageOf({ voters: [1, 2, 3], terms: [1, 1], term: 1, commit: 2 }));
    const snapshotAt = (index: number) => ({ data: bytes("state"), metadata: { index, term: 1, confState } });
    for (const index of [2, 9]) {
      node.step({ type: "MsgSnap", from: 1, term: 1, snapshot: snapshotAt(index) });
      expect(node.take()).toMatchObject([{ type: "MsgAppResp", index: 2 }]);
    }
    expect(node.storage.snapshot().metadata.index).toBe(0);
  });

  test("of what a follower has anyway only tell it what is committed", () => {
    const node = new TestRaft(2, storageOf({ voters: [1, 2], terms: [1, 1, 1], term: 1 }));
    const snapshot = { data: bytes("state"), metadata: { index: 2, term: 1, confState } };
    node.step({ type: "MsgSnap", from: 1, term: 1, snapshot });
    node.settle();
    expect([node.raw.status().commit, node.log.length]).toEqual([2, 3]);
  });

  test("wait while older entries are being applied", () => {
    const storage = storageOf({ voters: [1, 2], terms: [1, 1], term: 1, commit: 0 });
    const node = new TestRaft(2, storage, { asyncStorageWrites: true });
    node.step({ type: "MsgHeartbeat", from: 1, term: 1, commit: 2 });
    const work = node.raw.ready().messages.find(({ type }) => type === "MsgStorageApply");
    const snapshot = { data: bytes("state"), metadata: { index: 9, term: 1, confState } };
    const answerTo = () => {
      node.step({ type: "MsgSnap", from: 1, term: 1, snapshot });
      return node.raw.ready().messages.flatMap(({ responses }) => responses.map(({ type, index }) => [type, index]));
    };
    expect(answerTo()).toEqual([["MsgAppResp", 2]]);
    for (const response of work?.responses ?? []) node.raw.step(response);
    expect(answerTo()).toEqual([
      ["MsgAppResp", 9],
      ["MsgStorageAppendResp", 0],
    ]);
  });
});
