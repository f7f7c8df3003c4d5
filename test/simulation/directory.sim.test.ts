import { expect, test } from "vitest";
import { World, type WorldOptions } from "./world.ts";
import type { ProfileName } from "./world-profiles.ts";

/** More seeds: EASYNET_SIM_SEEDS=10000; one seed: EASYNET_SIM_SEED=7. */
const SEED_COUNT = Number(process.env["EASYNET_SIM_SEEDS"] ?? 25);
const ONE_SEED = process.env["EASYNET_SIM_SEED"];

interface Found {
  readonly seed: number;
  readonly problems: readonly string[];
}

const FOUND_COUNT_MAX = 10;

/** The first seeds whose world goes wrong. */
async function search(seeds: Iterable<number>, options: Omit<WorldOptions, "seed">): Promise<Found[]> {
  const found: Found[] = [];
  for (const seed of seeds) {
    const problems = await new World({ seed, ...options }).run();
    if (problems.length > 0) found.push({ seed, problems });
    if (found.length === FOUND_COUNT_MAX) break;
  }
  return found;
}

function range(count: number): number[] {
  if (ONE_SEED !== undefined) return [Number(ONE_SEED)];
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Without a failure detector: links, the word of others, and leases of 90 s. */
const alone = { detector: false, activeMs: 60_000, paceMs: 4000, settleMsMax: 200_000, quietMs: 20_000 };
const profiles = ["crashes", "partitions"] as const satisfies readonly ProfileName[];

test.each(profiles.flatMap((profile) => (["few", "all"] as const).map((links) => ({ profile, links }))))(
  `the directory alone: in ${SEED_COUNT} worlds ($profile, $links links) all end equal to the truth, nobody comes back`,
  async ({ profile, links }) => {
    expect(await search(range(SEED_COUNT), { ...alone, nodeCount: 8, profile, links })).toEqual([]);
  },
);

test("so it does in worlds of thirty nodes", async () => {
  const options = { ...alone, nodeCount: 30, profile: "partitions" } as const;
  expect(await search(range(Math.ceil(SEED_COUNT / 10)), options)).toEqual([]);
});

test.each([
  { bug: "epoch-not-raised", profile: "crashes", sign: /misses|lists .* again/ },
  { bug: "tombstone-lost", profile: "partitions", sign: /lists .* again/ },
] as const)("the profile $profile finds the planted fault $bug", async ({ bug, profile, sign }) => {
  const found = await search(range(100), { ...alone, nodeCount: 8, profile, bug });
  expect(found.flatMap(({ problems }) => problems).join("\n")).toMatch(sign);
});
