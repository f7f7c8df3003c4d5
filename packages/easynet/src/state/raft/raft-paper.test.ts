/**
 * The rules of the Raft paper (Ongaro and Ousterhout 2014, "In Search of an Understandable Consensus Algorithm", extended
 * version), section by section, after raft_paper_test.go of etcd-io/raft (Apache-2.0).
 */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../kernel/index.ts";
import {
  entryOf,
  raftGroup,
  type RaftOptions,
  type RaftPast,
  storageOf,
  TestGroup,
  TestRaft,
} from "../../../../../test/support/raft-group.ts";
import { makeMessage } from "./messages.ts";
import type { Message, StateType } from "./types.ts";

const VOTERS = [1, 2, 3];

function nodeOf(past: Partial<RaftPast> = {}, options: RaftOptions = {}, id = 1): TestRaft {
  return new TestRaft(id, storageOf({ voters: VOTERS, ...past }), options);
}

/** Node 1 in such a state, in the term after its past's, with nothing left to send; it follows node 2. */
function nodeIn(state: StateType, past: Partial<RaftPast> = {}): TestRaft {
  const node = nodeOf(past);
  if (state === "StateFollower") node.step({ type: "MsgHeartbeat", from: 2, term: (past.term ?? 0) + 1 });
  else if (state === "StateCandidate") node.raw.campaign();
  else node.elect(2);
  node.take();
  return node;
}

const stateOf = (node: TestRaft) => {
  const { raftState, term, lead, vote, commit } = node.raw.status();
  return { raftState, term, lead, vote, commit };
};
const typesOf = (messages: readonly Message[]) => messages.map(({ type, to }) => [type, to]);
const acknowledge = (node: TestRaft, from: number, index = node.storage.lastIndex()) =>
  node.step({ type: "MsgAppResp", from, term: node.raw.status().term, index });

/** Proposes, and lets a quorum acknowledge. */
function commitOne(node: TestRaft, text: string): void {
  node.raw.propose(Buffer.from(text));
  node.settle();
  acknowledge(node, 2);
  node.settle();
}

describe("section 5.1: terms", () => {
  test.each<StateType>(["StateFollower", "StateCandidate", "StateLeader"])(
    "a %s that hears of a later term takes it over and follows",
    (state) => {
      const node = nodeIn(state);
      node.step({ type: "MsgApp", from: 2, term: 5 });
      node.settle();
      expect(stateOf(node)).toMatchObject({ raftState: "StateFollower", term: 5, lead: 2 });
    },
  );

  test("a message of an earlier term changes nothing", () => {
    const node = nodeOf({ term: 4, terms: [1, 4] });
    node.step({ type: "MsgApp", from: 2, term: 3, index: 2, logTerm: 4, entries: [entryOf(3, 3)] });
    expect(node.take()).toEqual([]);
    expect([node.storage.lastIndex(), stateOf(node).lead]).toEqual([2, 0]);
  });
});

describe("section 5.2: elections", () => {
  test("a node begins as a follower", () => {
    expect(stateOf(nodeOf())).toMatchObject({ raftState: "StateFollower", term: 0, lead: 0 });
  });

  test("a leader sends heartbeats to everybody", () => {
    const node = nodeIn("StateLeader");
    node.tick();
    expect(typesOf(node.take())).toEqual([
      ["MsgHeartbeat", 2],
      ["MsgHeartbeat", 3],
    ]);
  });

  test.each<StateType>(["StateFollower", "StateCandidate"])(
    "a %s without a leader begins an election: a new term, its own vote, and a request to all others",
    (state) => {
      const node = nodeIn(state);
      const { term } = stateOf(node);
      node.tick(20);
      const requests = node.take();
      expect(stateOf(node)).toMatchObject({ raftState: "StateCandidate", term: term + 1, vote: 1 });
      expect(typesOf(requests)).toEqual([
        ["MsgVote", 2],
        ["MsgVote", 3],
      ]);
      expect(requests.map((request) => request.term)).toEqual([term + 1, term + 1]);
    },
  );

  test.each([
    // members, votes (true granted), state
    [1, [], "StateLeader"],
    [3, [true, true], "StateLeader"],
    [3, [true], "StateLeader"],
    [5, [true, true, true, true], "StateLeader"],
    [5, [true, true, true], "StateLeader"],
    [5, [true, true], "StateLeader"],
    [3, [false, false], "StateFollower"],
    [5, [false, false, false, false], "StateFollower"],
    [5, [true, false, false, false], "StateFollower"],
    [3, [], "StateCandidate"],
    [5, [true], "StateCandidate"],
    [5, [false, false], "StateCandidate"],
    [5, [], "StateCandidate"],
  ] as const)("of %d members, with own vote and %j, it is a %s", (size, votes, expected) => {
    const node = nodeOf({ voters: Array.from({ length: size }, (_, at) => at + 1) });
    node.raw.campaign();
    node.settle();
    for (const [at, granted] of votes.entries()) {
      node.step({ type: "MsgVoteResp", from: at + 2, term: 1, reject: !granted });
    }
    expect(stateOf(node)).toMatchObject({ raftState: expected, term: 1 });
  });

  test.each([
    [0, 1, true],
    [0, 2, true],
    [1, 1, true],
    [2, 2, true],
    [1, 2, false],
    [2, 1, false],
  ])("having voted for %d, it gives node %d its vote: %s", (vote, from, granted) => {
    const node = nodeOf({ term: 1, vote }, {}, 3);
    node.step({ type: "MsgVote", from, term: 1 });
    expect(node.take()).toMatchObject([{ type: "MsgVoteResp", to: from, term: 1, reject: !granted }]);
  });

  test.each([1, 2])("a candidate of term 1 follows a leader of term %d", (term) => {
    const node = nodeIn("StateCandidate");
    node.step({ type: "MsgApp", from: 3, term });
    expect(stateOf(node)).toMatchObject({ raftState: "StateFollower", term, lead: 3 });
  });

  test.each<StateType>(["StateFollower", "StateCandidate"])("how long a %s waits is drawn anew each time", (state) => {
    const node = nodeIn(state);
    const waits = new Set<number>();
    for (let round = 0; round < 500; round++) {
      if (state === "StateFollower") node.step({ type: "MsgHeartbeat", from: 2, term: stateOf(node).term + 1 });
      node.take();
      const { term } = stateOf(node);
      let ticks = 0;
      while (stateOf(node).term === term) {
        node.tick();
        ticks++;
      }
      waits.add(ticks);
      node.take();
    }
    expect([...waits].toSorted((first, second) => first - second)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  test("mostly one node alone begins an election, so that votes are seldom split", () => {
    const random = seededRandom(7);
    let conflicts = 0;
    for (let round = 0; round < 500; round++) {
      const nodes = [1, 2, 3, 4, 5].map((id) => nodeOf({ voters: [1, 2, 3, 4, 5] }, { random }, id));
      const campaigning = (): number => nodes.filter((node) => stateOf(node).raftState === "StateCandidate").length;
      while (campaigning() === 0) for (const node of nodes) node.tick();
      if (campaigning() > 1) conflicts++;
    }
    expect(conflicts / 500).toBeLessThan(0.5);
  });
});

describe("section 5.3: log replication", () => {
  test("a leader appends what is proposed, and sends it to everybody", () => {
    const node = nodeIn("StateLeader");
    acknowledge(node, 2);
    acknowledge(node, 3);
    node.take();
    node.raw.propose(Buffer.from("some data"));
    const appends = node.take();
    expect(appends).toMatchObject([2, 3].map((to) => ({ type: "MsgApp", to, index: 1, logTerm: 1, commit: 1 })));
    for (const { entries } of appends) expect(entries).toMatchObject([{ term: 1, index: 2, type: "EntryNormal" }]);
    expect(node.log).toHaveLength(2);
  });

  test("what a quorum has is committed and applied, and the others learn of it", () => {
    const node = nodeIn("StateLeader");
    commitOne(node, "some data");
    expect([stateOf(node).commit, node.appliedTexts]).toEqual([2, ["some data"]]);
    const told = node.take().filter(({ type, commit }) => type === "MsgApp" && commit === 2);
    expect(told.map(({ to }) => to)).toEqual([2]);
  });

  test.each([
    [1, [], true],
    [3, [], false],
    [3, [2], true],
    [3, [2, 3], true],
    [5, [], false],
    [5, [2], false],
    [5, [2, 3], true],
    [5, [2, 3, 4, 5], true],
  ])("of %d members, with acknowledgements of %j beside its own, it is committed: %s", (size, from, expected) => {
    const voters = Array.from({ length: size }, (_, at) => at + 1);
    const node = nodeOf({ voters });
    node.elect(...voters.slice(1));
    for (const id of voters.slice(1)) acknowledge(node, id);
    node.settle();
    node.raw.propose(Buffer.from("some data"));
    node.settle();
    for (const id of from) acknowledge(node, id);
    node.settle();
    expect(node.appliedTexts).toEqual(expected ? ["some data"] : []);
  });

  test.each([[[]], [[2]], [[1, 2]], [[1]]])(
    "with an entry everything before is committed, also that of earlier terms (%j)",
    (terms) => {
      const node = nodeOf({ terms, term: 2 });
      node.elect(2);
      commitOne(node, "some data");
      expect(node.applied.map(({ term, index }) => [term, index])).toEqual(
        [...terms, 3, 3].map((term, at) => [term, at + 1]),
      );
    },
  );

  test("a follower applies what its leader says is committed", () => {
    const node = nodeIn("StateFollower");
    const entries = [entryOf(1, 1, "some"), entryOf(1, 2, "data")];
    node.step({ type: "MsgApp", from: 2, term: 1, entries, commit: 1 });
    node.settle();
    expect(node.appliedTexts).toEqual(["some"]);
    node.step({ type: "MsgHeartbeat", from: 2, term: 1, commit: 2 });
    node.settle();
    expect(node.appliedTexts).toEqual(["some", "data"]);
  });

  test.each([
    // term and index before the append -> answer
    { logTerm: 0, index: 0, answer: { index: 1, reject: false } },
    { logTerm: 1, index: 1, answer: { index: 1, reject: false } },
    { logTerm: 2, index: 2, answer: { index: 2, reject: false } },
    { logTerm: 1, index: 2, answer: { index: 2, reject: true, rejectHint: 1, logTerm: 1 } },
    { logTerm: 3, index: 3, answer: { index: 3, reject: true, rejectHint: 2, logTerm: 2 } },
  ])("an append behind $logTerm/$index fits or is refused", ({ logTerm, index, answer }) => {
    const node = nodeOf({ terms: [1, 2], term: 2, commit: 1 });
    node.step({ type: "MsgApp", from: 2, term: 2, logTerm, index });
    expect(node.take()).toMatchObject([{ type: "MsgAppResp", to: 2, ...answer }]);
  });

  test.each([
    { index: 2, logTerm: 2, terms: [3], log: [1, 2, 3] },
    { index: 1, logTerm: 1, terms: [3, 4], log: [1, 3, 4] },
    { index: 0, logTerm: 0, terms: [1], log: [1, 2] },
    { index: 0, logTerm: 0, terms: [3], log: [3] },
  ])("entries $terms behind $index make the log $log", ({ index, logTerm, terms, log }) => {
    const node = nodeOf({ terms: [1, 2], term: 2 });
    const entries = terms.map((term, at) => entryOf(term, index + 1 + at));
    node.step({ type: "MsgApp", from: 2, term: 4, logTerm, index, entries });
    node.settle();
    expect(node.log.map(({ term }) => term)).toEqual(log);
  });

  test.each([
    [[1, 1, 1, 4, 4, 5, 5, 6, 6]],
    [[1, 1, 1, 4]],
    [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    [[1, 1, 1, 4, 4, 4, 4]],
    [[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])("figure 7: a leader brings a follower with the log %j to its own", (terms) => {
    const own = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const leader = nodeOf({ terms: own, term: 8, commit: 10 });
    const follower = nodeOf({ terms, term: 7 }, {}, 2);
    const group = new TestGroup([leader, follower, nodeOf({}, {}, 3)]);
    // The third one decides: the follower may not vote for a log that is older than its own.
    group.node(3).storage.setHardState({ term: 8, vote: 0, commit: 0 });
    group.campaign(1);
    group.propose(1, "");
    expect(follower.log.map(({ term }) => term)).toEqual([...own, 9, 9]);
    expect(follower.log).toEqual(leader.log);
  });
});

describe("section 5.4: safety", () => {
  test("a request for a vote names the end of the candidate's log", () => {
    for (const [terms, logTerm] of [
      [[2], 2],
      [[1, 2, 3], 3],
    ] as const) {
      const node = nodeOf({ terms, term: 3 });
      node.raw.campaign();
      const requests = node.take();
      expect(requests).toMatchObject(
        [2, 3].map((to) => ({ type: "MsgVote", to, index: terms.length, logTerm, term: 4 })),
      );
    }
  });

  test.each([
    [[1], 1, 1, false],
    [[1], 1, 2, false],
    [[1, 1], 1, 1, true],
    [[1], 2, 1, false],
    [[1], 2, 2, false],
    [[1, 1], 2, 1, false],
    [[2], 1, 1, true],
    [[2], 1, 2, true],
    [[2, 1], 1, 1, true],
  ])(
    "a voter with the log %j refuses a candidate whose log ends at %d/%d: %s",
    (...[terms, logTerm, index, refused]) => {
      const node = nodeOf({ terms });
      node.step({ type: "MsgVote", from: 2, term: 3, logTerm, index });
      expect(node.take()).toMatchObject([{ type: "MsgVoteResp", reject: refused }]);
    },
  );

  test.each([
    [1, 0],
    [2, 0],
    [3, 3],
  ])("of its log 1 2 and its own term 3, a quorum for index %d commits up to %d", (index, commit) => {
    const node = nodeOf({ terms: [1, 2], term: 2 });
    node.elect(2);
    acknowledge(node, 2, index);
    expect(stateOf(node).commit).toBe(commit);
  });

  test("a group of three agrees although each of them is away once", () => {
    const group = raftGroup(3);
    group.campaign(1);
    for (const away of [2, 3]) {
      group.isolate(away);
      group.propose(1, `without ${away}`);
      group.heal();
      group.tick(1, 2);
    }
    group.isolate(1);
    group.campaign(2);
    group.propose(2, "without 1");
    group.heal();
    group.tick(2, 2);
    for (const node of group.nodes) expect(node.appliedTexts).toEqual(["without 2", "without 3", "without 1"]);
    expect(stateOf(group.node(1))).toMatchObject({ raftState: "StateFollower", lead: 2 });
  });

  test("a made message says nothing that was not named", () => {
    expect(makeMessage({ type: "MsgHup" })).toMatchObject({
      to: 0,
      term: 0,
      entries: [],
      reject: false,
      responses: [],
    });
  });
});
