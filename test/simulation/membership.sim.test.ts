import { expect, test } from "vitest";
import { QUICK } from "../quick.ts";
import { verifies } from "../requirements.ts";
import { firstProblem, search, seedCount, seeds } from "./seeds.ts";
import { World, type WorldOptions } from "./world.ts";
import { PROFILE_NAMES } from "./world-profiles.ts";

verifies("mesh:health:heartbeat");

/** `npm run slow -- membership` runs 2,000 schedules of a hundred nodes. */
const SEED_COUNT = seedCount(12);

const SMALL = { nodeCount: 16, activeMs: 25_000, paceMs: 3000, settleMsMax: 40_000, quietMs: 8000 };
const LARGE = { nodeCount: 100, activeMs: 5000, paceMs: 700, settleMsMax: 60_000, quietMs: 8000 };

const run = (seed: number, options: Omit<WorldOptions, "seed">): Promise<readonly string[]> =>
  new World({ seed, ...options }).run();

test.each(PROFILE_NAMES)(
  `in ${SEED_COUNT} worlds of sixteen nodes of the profile %s all agree on the living, nobody returns, nobody dies in quiet`,
  async (profile) => {
    expect(await search(seeds(SEED_COUNT), (seed) => run(seed, { ...SMALL, profile }))).toEqual([]);
  },
);

test.skipIf(QUICK)("so they do in a world of a hundred nodes", async () => {
  expect(await search(seeds(1), (seed) => run(seed, { ...LARGE, profile: "everything" }))).toEqual([]);
});

test.skipIf(QUICK).each([
  { bug: "tombstone-lost", profile: "partitions", sign: /again|wrongly lists/ },
  { bug: "incarnation-not-raised", profile: "partitions", sign: /misses/ },
  { bug: "digest-collision-ignored", profile: "partitions", sign: /misses|wrongly lists/ },
  { bug: "epoch-not-raised", profile: "crashes", sign: /misses/ },
] as const)("the profile $profile finds the planted fault $bug", async ({ bug, profile, sign }) => {
  expect(await firstProblem(seeds(20), (seed) => run(seed, { ...SMALL, profile, bug }), sign)).toBeDefined();
});
