import { describe, expect, test } from "vitest";
import { seededRandom } from "../../kernel/index.ts";
import { entryOf, raftGroup, storageOf, TestGroup, TestRaft } from "../../../../../test/support/raft-group.ts";
import { MemoryStorage } from "./memory-storage.ts";
import { RawNode } from "./raw-node.ts";
import { READS_COUNT_MAX } from "./read-only-core.ts";
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, type Message, type RaftConfig } from "./types.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const stateOf = (node: TestRaft) => node.raw.status().raftState;

describe("a Raft configuration", () => {
  test.each([
    [{ id: 0 }, /id/],
    [{ id: LOCAL_APPEND_THREAD }, /id/],
    [{ id: LOCAL_APPLY_THREAD }, /id/],
    [{ heartbeatTick: 0 }, /heartbeatTick/],
    [{ electionTick: 1 }, /electionTick/],
    [{ maxInflightMsgs: 0 }, /maxInflightMsgs/],
    [{ maxCommittedSizePerReady: 0 }, /maxCommittedSizePerReady/],
    [{ maxSizePerMsg: 10, maxInflightBytes: 9 }, /maxInflightBytes/],
    [{ readOnlyOption: "lease-based" }, /checkQuorum/],
  ] as const)("%j is refused", (wrong, message) => {
    const base = { id: 1, electionTick: 10, heartbeatTick: 1, maxInflightMsgs: 8, random: seededRandom(1) };
    const config: RaftConfig = { ...base, storage: new MemoryStorage(), ...wrong };
    expect(() => new RawNode(config)).toThrow(message);
  });

  test("a stored commit index beyond the log stops the node", () => {
    expect(() => new TestRaft(1, storageOf({ voters: [1], terms: [1], term: 1, commit: 2 }))).toThrow(/stored commit/);
  });

  test("a snapshot, or what was applied, counts as committed whatever commit index is stored", () => {
    const storage = storageOf({ voters: [1], terms: [1, 1], term: 1, commit: 1 });
    storage.createSnapshot(2, bytes("state"));
    storage.compact(2);
    expect(new TestRaft(1, storage).raw.status()).toMatchObject({ commit: 2, applied: 2 });
    const late = storageOf({ voters: [1], terms: [1, 1], term: 1, commit: 1 });
    expect(new TestRaft(1, late, { applied: 2 }).raw.status()).toMatchObject({ commit: 2, applied: 2 });
  });
});

describe("a group of one", () => {
  test("leads once its vote is durable, and commits once its entries are", () => {
    const node = new TestRaft(1, storageOf({ voters: [1] }));
    node.raw.campaign();
    expect(stateOf(node)).toBe("StateCandidate");
    node.perform(node.raw.ready());
    expect(stateOf(node)).toBe("StateLeader");
    node.raw.propose(bytes("one"));
    expect(node.raw.status().commit).toBe(0);
    node.settle();
    expect([node.raw.status().commit, node.appliedTexts]).toEqual([2, ["one"]]);
    expect(node.raw.hasReady()).toBe(false);
  });

  test("goes on where it stopped, and applies only what it had not applied", () => {
    const first = new TestRaft(1, storageOf({ voters: [1] }));
    first.elect();
    first.raw.propose(bytes("one"));
    first.settle();
    const again = new TestRaft(1, first.storage, { applied: 1 });
    expect(again.raw.status()).toMatchObject({ term: 1, vote: 1, commit: 2, raftState: "StateFollower" });
    again.settle();
    expect(again.applied.map(({ index }) => index)).toEqual([2]);
  });

  test("grows by learners that become voters, and shrinks again", () => {
    const group = new TestGroup([
      new TestRaft(1, storageOf({ voters: [1] })),
      new TestRaft(2, storageOf({ voters: [1] })),
      new TestRaft(3, storageOf({ voters: [1] })),
    ]);
    const { raw } = group.node(1);
    group.campaign(1);
    group.propose(1, "before");
    raw.proposeConfChange({ type: "ConfChangeAddLearnerNode", nodeId: 2 });
    group.settle();
    expect(raw.status().confState).toMatchObject({ voters: [1], learners: [2] });
    group.tick(1, 2);
    expect(group.node(2).appliedTexts).toEqual(["before"]);
    const changes = [2, 3].map((nodeId) => ({ type: "ConfChangeAddNode", nodeId }) as const);
    raw.proposeConfChange({ transition: "ConfChangeTransitionAuto", changes });
    group.settle();
    group.tick(1, 2);
    // Both halves had to agree, and the joint configuration was left by itself.
    for (const node of group.nodes) {
      expect(node.raw.status().confState).toEqual({
        voters: [1, 2, 3],
        votersOutgoing: [],
        learners: [],
        learnersNext: [],
        autoLeave: false,
      });
    }
    raw.proposeConfChange({ type: "ConfChangeRemoveNode", nodeId: 3 });
    group.settle();
    expect(raw.status().confState.voters).toEqual([1, 2]);
    expect(() => raw.applyConfChange({ type: "ConfChangeUpdateNode", nodeId: 0 })).not.toThrow();
  });

  test("a change that is impossible is refused when it is applied, and nothing changes", () => {
    const node = new TestRaft(1, storageOf({ voters: [1] }));
    const remove = { type: "ConfChangeRemoveNode", nodeId: 1 } as const;
    expect(() => node.raw.applyConfChange(remove)).toThrow(expect.objectContaining({ code: "RAFT_CHANGE_REFUSED" }));
    expect(node.raw.status().confState.voters).toEqual([1]);
  });
});

describe("proposals", () => {
  test("without a leader are dropped, and a follower passes them on unless told not to", () => {
    const group = raftGroup(3);
    expect(group.node(2).raw.propose(bytes("early"))).toBe("proposal-dropped");
    group.campaign(1);
    group.propose(2, "by a follower");
    expect(group.node(3).appliedTexts).toEqual(["by a follower"]);
    const silent = raftGroup(3, { disableProposalForwarding: true });
    silent.campaign(1);
    expect(silent.node(2).raw.propose(bytes("late"))).toBe("proposal-dropped");
  });

  test("made together travel together, and nothing is proposed by an empty list", () => {
    const node = new TestRaft(1, storageOf({ voters: [1, 2] }));
    node.elect(2);
    node.step({ type: "MsgAppResp", from: 2, term: 1, index: 1 });
    node.take();
    expect(node.raw.proposeAll([])).toBeUndefined();
    node.raw.proposeAll([bytes("one"), bytes("two")]);
    expect(node.take()).toMatchObject([{ type: "MsgApp", entries: [{ index: 2 }, { index: 3 }] }]);
  });

  test("beyond the limit on what is uncommitted are dropped until some is committed", () => {
    const group = raftGroup(3, { maxUncommittedEntriesSize: 10 });
    group.campaign(1);
    group.isolate(1);
    const { raw } = group.node(1);
    const refusals = ["12345678", "12", "3", ""].map((text) => raw.propose(bytes(text)));
    expect(refusals).toEqual([undefined, undefined, "proposal-dropped", undefined]);
    group.settle();
    group.heal();
    group.tick(1, 2);
    expect(raw.propose(bytes("1234567890 at once, when nothing waits"))).toBeUndefined();
  });

  test("of a second change of members before the first is applied become empty entries", () => {
    const node = new TestRaft(1, storageOf({ voters: [1, 2] }));
    node.elect(2);
    node.step({ type: "MsgAppResp", from: 2, term: 1, index: 1 });
    node.take();
    for (const nodeId of [3, 4]) node.raw.proposeConfChange({ type: "ConfChangeAddNode", nodeId });
    node.settle();
    expect(node.log.map(({ type }) => type)).toEqual(["EntryNormal", "EntryConfChange", "EntryNormal"]);
  });

  test("travel in appends of at most so many bytes, and so many at once", () => {
    const node = new TestRaft(1, storageOf({ voters: [1, 2] }), { maxSizePerMsg: 60, maxInflightMsgs: 2 });
    node.elect(2);
    node.step({ type: "MsgAppResp", from: 2, term: 1, index: 1 });
    node.take();
    for (let count = 0; count < 8; count++) node.raw.propose(bytes("0123456789"));
    const indexesOf = (messages: readonly Message[]) =>
      messages.map(({ entries }) => entries.map(({ index }) => index));
    expect(indexesOf(node.take())).toEqual([[2], [3]]);
    node.step({ type: "MsgAppResp", from: 2, term: 1, index: 2 });
    expect(indexesOf(node.take()).filter((indexes) => indexes.length > 0)).toEqual([[4, 5]]);
  });
});

describe("messages that are not for the core", () => {
  test("what only a node itself may say is refused from others, and answers of strangers are not counted", () => {
    const node = new TestRaft(1, storageOf({ voters: [1, 2, 3] }));
    expect(node.step({ type: "MsgHup", from: 2 })).toBe("local-message");
    expect(node.step({ type: "MsgVoteResp", from: 9, term: 1 })).toBe("peer-unknown");
    expect(node.raw.hasReady()).toBe(false);
  });

  test("advance and asynchronous storage writes do not go together, nor two Readys at once", () => {
    const node = new TestRaft(1, storageOf({ voters: [1] }), { asyncStorageWrites: true });
    expect(() => node.raw.advance()).toThrow(/responses take the place/);
    const sync = new TestRaft(1, storageOf({ voters: [1] }));
    sync.raw.campaign();
    sync.raw.ready();
    expect(() => sync.raw.ready()).toThrow(/advance\(\) comes before/);
  });
});

describe("asynchronous storage writes", () => {
  test("a leader sends entries while it writes them, and counts itself only when they are durable", () => {
    const storage = storageOf({ voters: [1, 2, 3] });
    const node = new TestRaft(1, storage, { asyncStorageWrites: true });
    const work = (): readonly Message[] => node.raw.ready().messages;
    const write = (message: Message | undefined): void => {
      storage.append(message?.entries ?? []);
      for (const response of message?.responses ?? []) if (response.to === 1) node.raw.step(response);
    };
    node.raw.campaign();
    const [, , vote] = work();
    expect(vote).toMatchObject({ type: "MsgStorageAppend", to: LOCAL_APPEND_THREAD, term: 1, vote: 1 });
    node.step({ type: "MsgVoteResp", from: 2, term: 1 });
    expect(stateOf(node)).toBe("StateCandidate");
    write(vote);
    expect(stateOf(node)).toBe("StateLeader");
    const [toSecond, , first] = work();
    expect([toSecond?.type, first?.type]).toEqual(["MsgApp", "MsgStorageAppend"]);
    // One other has it; this node's own copy is on its way.
    node.step({ type: "MsgAppResp", from: 2, term: 1, index: 1 });
    expect(node.raw.status().commit).toBe(0);
    write(first);
    expect(node.raw.status().commit).toBe(1);
    const apply = work().find(({ type }) => type === "MsgStorageApply");
    expect(apply).toMatchObject({ to: LOCAL_APPLY_THREAD, entries: [{ index: 1 }] });
    expect(node.raw.status().applied).toBe(0);
    for (const response of apply?.responses ?? []) node.raw.step(response);
    expect(node.raw.status().applied).toBe(1);
  });
});

describe("a write that was overtaken", () => {
  test("does not make what replaced it durable: its response of an earlier term is ignored", () => {
    const storage = storageOf({ voters: [1, 2, 3] });
    const node = new TestRaft(1, storage, { asyncStorageWrites: true });
    const append = (term: number): Message | undefined => {
      node.step({ type: "MsgApp", from: 2, term, entries: [entryOf(1, 1)] });
      return node.raw.ready().messages.find(({ type }) => type === "MsgStorageAppend");
    };
    const stable = append(1)?.responses.find(({ type }) => type === "MsgStorageAppendResp");
    // The same entry again in a later term: a write of something else in between may still be under way.
    append(2);
    if (stable) node.raw.step(stable);
    expect(storage.lastIndex()).toBe(0);
    node.step({ type: "MsgHeartbeat", from: 2, term: 2, commit: 1 });
    expect(node.raw.ready().messages.map(({ type }) => type)).not.toContain("MsgStorageApply");
  });
});

describe("linearizable reads", () => {
  test("a leader answers once a quorum has confirmed it, and for a follower too", () => {
    const group = raftGroup(3);
    group.campaign(1);
    group.propose(1, "one");
    group.node(1).raw.readIndex(bytes("own"));
    group.node(2).raw.readIndex(bytes("other"));
    group.settle();
    const readsOf = (id: number) =>
      group.node(id).reads.map(({ index, requestContext }) => [index, Buffer.from(requestContext).toString()]);
    expect([readsOf(1), readsOf(2), readsOf(3)]).toEqual([[[2, "own"]], [[2, "other"]], []]);
  });

  test("a leader that lost its followers answers nothing, and one heartbeat later confirms all that waited", () => {
    const group = raftGroup(3);
    group.campaign(1);
    group.isolate(1);
    for (const name of ["a", "b", "c"]) {
      group.node(1).raw.readIndex(bytes(name));
      group.settle();
    }
    expect(group.node(1).reads).toEqual([]);
    group.heal();
    group.tick(1);
    expect(group.node(1).reads).toHaveLength(3);
  });

  test.each([1, 3])("a new leader of %d voters waits until it has committed in its own term", (size) => {
    const voters = Array.from({ length: size }, (_, at) => at + 1);
    // What an earlier term committed may be more than this node knows to be committed.
    const node = new TestRaft(1, storageOf({ voters, terms: [1, 1], term: 1, commit: 1 }));
    node.raw.campaign();
    node.perform(node.raw.ready());
    if (size > 1) node.step({ type: "MsgVoteResp", from: 2, term: 2 });
    expect(stateOf(node)).toBe("StateLeader");
    node.raw.readIndex(bytes("read"));
    const early = node.raw.ready();
    expect(early.readStates).toEqual([]);
    node.perform(early);
    node.settle();
    if (size > 1) {
      node.step({ type: "MsgAppResp", from: 2, term: 2, index: 3 });
      const heartbeat = node.take().find(({ type, to }) => type === "MsgHeartbeat" && to === 2);
      node.step({ type: "MsgHeartbeatResp", from: 2, term: 2, context: heartbeat?.context });
    }
    node.settle();
    expect(node.reads).toMatchObject([{ index: 3 }]);
  });

  test("with leases a leader answers at once; without a leader the request is lost", () => {
    const group = raftGroup(3, { checkQuorum: true, readOnlyOption: "lease-based" });
    group.node(2).raw.readIndex(bytes("lost"));
    group.campaign(1);
    group.isolate(2, 3);
    group.node(1).raw.readIndex(bytes("kept"));
    group.settle();
    expect(group.node(1).reads.map(({ requestContext }) => Buffer.from(requestContext).toString())).toEqual(["kept"]);
    expect(group.node(2).reads).toEqual([]);
  });

  test("beyond the limit are dropped, and those before still answered", () => {
    const group = raftGroup(3);
    group.campaign(1);
    group.isLost = () => true;
    for (let count = 0; count < READS_COUNT_MAX + 5; count++) {
      group.node(1).raw.readIndex(bytes(String(count)));
      group.node(1).take();
    }
    group.heal();
    group.tick(1);
    expect(group.node(1).reads).toHaveLength(READS_COUNT_MAX);
  });
});

describe("leadership", () => {
  test("is handed over to a follower that has everything, and proposals wait meanwhile", () => {
    const group = raftGroup(3);
    group.campaign(1);
    group.isolate(3);
    group.propose(1, "one");
    group.node(1).raw.transferLeader(3);
    expect(group.node(1).raw.propose(bytes("two"))).toBe("proposal-dropped");
    group.heal();
    group.tick(1, 2);
    expect([stateOf(group.node(1)), stateOf(group.node(3))]).toEqual(["StateFollower", "StateLeader"]);
  });

  test("stays when the other does not take it within an election timeout, and is never given to a learner", () => {
    const group = new TestGroup([1, 2, 3].map((id) => new TestRaft(id, storageOf({ voters: [1, 2], learners: [3] }))));
    group.campaign(1);
    const { raw } = group.node(1);
    raw.transferLeader(3);
    expect(raw.status().leadTransferee).toBe(0);
    group.isolate(2);
    raw.transferLeader(2);
    expect(raw.status().leadTransferee).toBe(2);
    group.tick(1, 10);
    expect([raw.status().leadTransferee, stateOf(group.node(1))]).toEqual([0, "StateLeader"]);
  });

  test("ends without a quorum for an election timeout when it is checked", () => {
    const group = raftGroup(3, { checkQuorum: true });
    group.campaign(1);
    group.isolate(1);
    group.tick(1, 10);
    expect(stateOf(group.node(1))).toBe("StateLeader");
    group.tick(1, 10);
    expect(stateOf(group.node(1))).toBe("StateFollower");
  });

  test("is not disturbed by a node that was away, with pre-votes", () => {
    const group = raftGroup(3, { preVote: true });
    group.campaign(1);
    group.isolate(3);
    group.propose(1, "meanwhile");
    group.tick(3, 100);
    group.heal();
    const { term } = group.node(1).raw.status();
    group.tick(3, 20);
    group.tick(1, 1);
    expect(group.node(1).raw.status()).toMatchObject({ raftState: "StateLeader", term });
    expect(group.node(3).raw.status()).toMatchObject({ raftState: "StateFollower", lead: 1, term });
  });

  test("is not voted away within an election timeout of the leader's last word, when it is checked", () => {
    const node = new TestRaft(1, storageOf({ voters: [1, 2, 3] }), { checkQuorum: true });
    node.step({ type: "MsgHeartbeat", from: 2, term: 1 });
    node.take();
    const vote = { type: "MsgVote", from: 3, term: 2 } as const;
    node.step(vote);
    expect([node.take(), node.raw.status().term]).toEqual([[], 1]);
    node.step({ ...vote, context: bytes("CampaignTransfer") });
    expect(node.take()).toMatchObject([{ type: "MsgVoteResp", to: 3, term: 2, reject: false }]);
  });

  test("a vote that was given before a restart is not given again", () => {
    const storage = storageOf({ voters: [1, 2, 3] });
    const before = new TestRaft(1, storage);
    before.step({ type: "MsgVote", from: 2, term: 1 });
    before.settle();
    const after = new TestRaft(1, storage);
    after.step({ type: "MsgVote", from: 3, term: 1 });
    expect(after.take()).toMatchObject([{ type: "MsgVoteResp", to: 3, reject: true }]);
  });

  test("a leader that removed itself steps down when it is configured to", () => {
    const group = raftGroup(3, { stepDownOnRemoval: true });
    group.campaign(1);
    group.node(1).raw.proposeConfChange({ type: "ConfChangeRemoveNode", nodeId: 1 });
    group.settle();
    expect(stateOf(group.node(1))).toBe("StateFollower");
    expect(group.node(1).raw.campaign()).toBeUndefined();
    expect(stateOf(group.node(1))).toBe("StateFollower");
  });

  test("whoever shall be elected waits shorter", () => {
    const group = raftGroup(3);
    group.node(3).raw.setRandomizedElectionTimeout(2);
    for (let tick = 0; tick < 2; tick++) for (const { id } of group.nodes) group.tick(id);
    expect(stateOf(group.node(3))).toBe("StateLeader");
  });
});

test("a watcher hears what happens in words, and nothing is said without one", () => {
  const lines: string[] = [];
  const node = new TestRaft(1, storageOf({ voters: [1] }), { logger: (level, text) => lines.push(`${level} ${text}`) });
  node.elect();
  expect(lines).toContain("info 1 became leader at term 1");
});
