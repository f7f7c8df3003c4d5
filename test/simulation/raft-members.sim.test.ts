import { expect, test } from "vitest";
import { MembersWorld, type MembersWorldOptions } from "./raft-members/world.ts";
import { firstProblem, search, seedCount, seeds } from "./seeds.ts";

const SEED_COUNT = seedCount(60);

const run = async (seed: number, options: Omit<MembersWorldOptions, "seed"> = {}): Promise<readonly string[]> =>
  new MembersWorld({ seed, ...options }).run();

test(`in ${SEED_COUNT} groups that change their members in a storm all agree, and have one leader a term`, async () => {
  expect(await search(seeds(SEED_COUNT), run)).toEqual([]);
}, 60_000);

test("a storm is one: members change often, also jointly, leaders come and go, machines die", () => {
  const world = new MembersWorld({ seed: 4 });
  expect(world.run()).toEqual([]);
  for (const count of Object.values(world.counts)) expect(count).toBeGreaterThan(3);
});

test("changing several voters at once without a joint configuration is found", async () => {
  const sign = /two leaders|another one/;
  expect(await firstProblem(seeds(400), (seed) => run(seed, { bug: "skips-joint" }), sign)).toBeDefined();
}, 60_000);
