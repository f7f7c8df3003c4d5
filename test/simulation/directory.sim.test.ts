import { expect, test } from "vitest";
import { QUICK } from "../quick.ts";
import { firstProblem, search, seedCount, seeds } from "./seeds.ts";
import { World, type WorldOptions } from "./world.ts";
import type { ProfileName } from "./world-profiles.ts";

const SEED_COUNT = seedCount(40);

const run = (seed: number, options: Omit<WorldOptions, "seed">): Promise<readonly string[]> =>
  new World({ seed, ...options }).run();

/** Without a failure detector: links, the word of others, and leases of 90 s. */
const alone = { detector: false, activeMs: 60_000, paceMs: 4000, settleMsMax: 200_000, quietMs: 20_000 };
const profiles = ["crashes", "partitions"] as const satisfies readonly ProfileName[];

test.each(profiles.flatMap((profile) => (["few", "all"] as const).map((links) => ({ profile, links }))))(
  `the directory alone: in ${SEED_COUNT} worlds ($profile, $links links) all end equal to the truth, nobody comes back`,
  async ({ profile, links }) => {
    expect(await search(seeds(SEED_COUNT), (seed) => run(seed, { ...alone, nodeCount: 8, profile, links }))).toEqual(
      [],
    );
  },
);

test.skipIf(QUICK)("so it does in worlds of thirty nodes", async () => {
  const options = { ...alone, nodeCount: 30, profile: "partitions" } as const;
  expect(await search(seeds(Math.ceil(SEED_COUNT / 10)), (seed) => run(seed, options))).toEqual([]);
});

test.each([
  { bug: "epoch-not-raised", profile: "crashes", sign: /misses|lists .* again/ },
  { bug: "tombstone-lost", profile: "partitions", sign: /lists .* again/ },
] as const)("the profile $profile finds the planted fault $bug", async ({ bug, profile, sign }) => {
  const options = { ...alone, nodeCount: 8, profile, bug };
  expect(await firstProblem(seeds(100), (seed) => run(seed, options), sign)).toBeDefined();
});
