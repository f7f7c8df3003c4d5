import { expect, test } from "vitest";
import { verifies } from "../requirements.ts";
import { World, type WorldOptions } from "./world.ts";
import { PROFILE_NAMES } from "./world-profiles.ts";

verifies("mesh:health:heartbeat");

/** More seeds: EASYNET_SIM_SEEDS=1000; one seed: EASYNET_SIM_SEED=7. `npm run slow -- membership` runs 2,000 schedules. */
const SEED_COUNT = Number(process.env["EASYNET_SIM_SEEDS"] ?? 3);
const ONE_SEED = process.env["EASYNET_SIM_SEED"];

const SMALL = { nodeCount: 16, activeMs: 25_000, paceMs: 3000, settleMsMax: 40_000, quietMs: 8000 };
const LARGE = { nodeCount: 100, activeMs: 5000, paceMs: 700, settleMsMax: 60_000, quietMs: 8000 };

async function search(
  among: readonly number[],
  options: Omit<WorldOptions, "seed">,
): Promise<readonly { readonly seed: number; readonly problems: readonly string[] }[]> {
  const found = [];
  for (const seed of among) {
    const problems = await new World({ seed, ...options }).run();
    if (problems.length > 0) found.push({ seed, problems: problems.slice(0, 10) });
    if (found.length === 3) break;
  }
  return found;
}

function seeds(count: number): readonly number[] {
  return ONE_SEED === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(ONE_SEED)];
}

test.each(PROFILE_NAMES)(
  `in ${SEED_COUNT} worlds of sixteen nodes of the profile %s all agree on the living, nobody returns, nobody dies in quiet`,
  async (profile) => {
    expect(await search(seeds(SEED_COUNT), { ...SMALL, profile })).toEqual([]);
  },
);

test("so they do in a world of a hundred nodes", async () => {
  expect(await search(seeds(Math.ceil(SEED_COUNT / 12)), { ...LARGE, profile: "everything" })).toEqual([]);
});

test.each([
  { bug: "tombstone-lost", profile: "partitions", sign: /again|wrongly lists/ },
  { bug: "incarnation-not-raised", profile: "partitions", sign: /misses/ },
  { bug: "digest-collision-ignored", profile: "partitions", sign: /misses|wrongly lists/ },
  { bug: "epoch-not-raised", profile: "crashes", sign: /misses/ },
] as const)("the profile $profile finds the planted fault $bug", async ({ bug, profile, sign }) => {
  const found = await search(seeds(20), { ...SMALL, profile, bug });
  expect(found.flatMap(({ problems }) => problems).join("\n")).toMatch(sign);
});
