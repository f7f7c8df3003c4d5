import { expect, test } from "vitest";
import { World, type WorldOptions } from "./directory-world.ts";

/** More seeds: EASYNET_SIM_SEEDS=10000; one seed: EASYNET_SIM_SEED=7. */
const SEED_COUNT = Number(process.env["EASYNET_SIM_SEEDS"] ?? 150);
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

function* range(count: number): Generator<number> {
  for (let seed = 1; seed <= count; seed++) yield seed;
}

const small = { nodeCount: 8, activeMs: 60_000, quietMs: 200_000 };

test(`in ${SEED_COUNT} small worlds all directories end equal to the truth, and nobody comes back from the dead`, async () => {
  const seeds = ONE_SEED === undefined ? range(SEED_COUNT) : [Number(ONE_SEED)];
  expect(await search(seeds, small)).toEqual([]);
});

test("so they do in worlds of thirty nodes", async () => {
  const seeds = ONE_SEED === undefined ? range(Math.ceil(SEED_COUNT / 25)) : [Number(ONE_SEED)];
  expect(await search(seeds, { nodeCount: 30, activeMs: 60_000, quietMs: 200_000 })).toEqual([]);
});

test.each([
  { bug: "epoch-not-raised", sign: /misses|lists .* again/ },
  { bug: "tombstones-dropped", sign: /lists .* again/ },
] as const)("the planted fault $bug is found", async ({ bug, sign }) => {
  const found = await search(range(100), { ...small, bug });
  expect(found.flatMap(({ problems }) => problems).join("\n")).toMatch(sign);
});
