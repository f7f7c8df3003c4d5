import { expect, test } from "vitest";
import { SimulatedConsensus } from "./consensus-world.ts";
import { firstProblem, search, seedCount, seeds } from "./seeds.ts";

/** `npm run slow -- consensus-sim` runs 500. */
const SEED_COUNT = seedCount(8);

const run = async (seed: number, earlyDisks = false): Promise<readonly string[]> =>
  new SimulatedConsensus({ seed, earlyDisks }).run();

test(`in ${SEED_COUNT} worlds of the whole service every history is linearizable, and everybody answers at the end`, async () => {
  expect(await search(seeds(SEED_COUNT), run)).toEqual([]);
});

test("the planted fault of disks that answer before they have written is found", async () => {
  const sign = /was the log lost|violated|did not grow|does not answer/;
  expect(await firstProblem(seeds(40), async (seed) => run(seed, true), sign)).toBeDefined();
});
