import { expect, test } from "vitest";
import type { Bug } from "./raft/profiles.ts";
import { RaftWorld, type RaftWorldOptions } from "./raft/raft-world.ts";
import { DIRECTED } from "./raft/scripts.ts";
import { firstProblem, search, seedCount, seeds } from "./seeds.ts";

/** `npm run slow -- raft-sim` runs 500 of each. */
const SEED_COUNT = seedCount(40);

const run = async (options: RaftWorldOptions): Promise<readonly string[]> => new RaftWorld(options).run();

test.each([3, 5] as const)(
  `in ${SEED_COUNT} worlds of %i members every history is linearizable, Raft keeps its promises, and all end equal`,
  async (memberCount) => {
    expect(await search(seeds(SEED_COUNT), (seed) => run({ seed, memberCount }))).toEqual([]);
  },
);

const PLANTED: readonly { readonly profile: keyof typeof DIRECTED; readonly bug: Bug; readonly sign: RegExp }[] = [
  { profile: "old-leader", bug: "reads-without-asking", sign: /linearizability: nothing explains .*"read"/ },
  { profile: "crashing-voter", bug: "forgets-vote", sign: /election safety/ },
  { profile: "figure-8", bug: "counts-old-terms", sign: /leader completeness|state machine safety/ },
  { profile: "power-cuts", bug: "answers-before-sync", sign: /leader completeness|linearizability|was the log lost/ },
  { profile: "lossy-links", bug: "forgets-sessions", sign: /linearizability/ },
  { profile: "slow-disks", bug: "reads-before-applied", sign: /linearizability: nothing explains .*"read"/ },
];

test.each(PLANTED)("the profile $profile finds the planted fault $bug, and nothing without it", async (planted) => {
  const options = { ...DIRECTED[planted.profile], memberCount: 3 } as const;
  expect(await search(seeds(seedCount(12)), (seed) => run({ ...options, seed }))).toEqual([]);
  const found = await firstProblem(seeds(60), (seed) => run({ ...options, seed, bug: planted.bug }), planted.sign);
  expect(found).toBeDefined();
});

test("the same seed is the same world", async () => {
  const [one, two] = [1, 2].map(() => new RaftWorld({ seed: 7, memberCount: 3 }));
  one?.run();
  two?.run();
  expect(one?.history.length).toBeGreaterThan(20);
  expect(two?.history).toEqual(one?.history);
  expect(two?.counts).toEqual(one?.counts);
});
