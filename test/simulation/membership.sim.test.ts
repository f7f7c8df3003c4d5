import { expect, test } from "vitest";
import { type MembershipOptions, MembershipWorld } from "./membership-world.ts";
import { verifies } from "../requirements.ts";

verifies("mesh:health:heartbeat");

/** More seeds: EASYNET_SIM_SEEDS=1000; one seed: EASYNET_SIM_SEED=7. `npm run slow -- membership` runs 2,000 schedules. */
const SEED_COUNT = Number(process.env["EASYNET_SIM_SEEDS"] ?? 12);
const ONE_SEED = process.env["EASYNET_SIM_SEED"];

const SMALL = { nodeCount: 16, activeMs: 30_000, quietMs: 80_000 };
const LARGE = { nodeCount: 100, activeMs: 20_000, quietMs: 60_000, paceMs: 1000 };

async function search(
  among: readonly number[],
  options: Omit<MembershipOptions, "seed">,
): Promise<readonly { readonly seed: number; readonly problems: readonly string[] }[]> {
  const found = [];
  for (const seed of among) {
    const problems = await new MembershipWorld({ seed, ...options }).run();
    if (problems.length > 0) found.push({ seed, problems: problems.slice(0, 10) });
    if (found.length === 3) break;
  }
  return found;
}

function seeds(count: number): readonly number[] {
  return ONE_SEED === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(ONE_SEED)];
}

test(`in ${SEED_COUNT} worlds of sixteen nodes all agree on the living, nobody returns, and nobody dies in quiet`, async () => {
  expect(await search(seeds(SEED_COUNT), SMALL)).toEqual([]);
});

test("so they do in worlds of a hundred nodes", async () => {
  expect(await search(seeds(Math.ceil(SEED_COUNT / 12)), LARGE)).toEqual([]);
});

test.each([
  { bug: "tombstone-lost", sign: /again|wrongly lists/ },
  { bug: "incarnation-not-raised", sign: /misses/ },
  { bug: "digest-collision-ignored", sign: /misses|wrongly lists/ },
] as const)("the planted fault $bug is found", async ({ bug, sign }) => {
  const found = await search(seeds(20), { ...SMALL, bug });
  expect(found.flatMap(({ problems }) => problems).join("\n")).toMatch(sign);
});
