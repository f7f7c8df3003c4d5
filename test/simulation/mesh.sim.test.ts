import { expect, test } from "vitest";
import { QUICK } from "../quick.ts";
import { verifies } from "../requirements.ts";
import { MeshSimulation, type MeshSimulationOptions } from "./mesh-simulation.ts";
import { firstProblem, search, seedCount, seeds } from "./seeds.ts";

verifies("mesh:p2p:no-centre", "mesh:p2p:join");

const SEED_COUNT = seedCount(12);

const STORM = { nodeCount: 20, learnCount: 3, stormMs: 30_000 };
/** Everybody dials everybody at the same moment, and nothing else ever happens. */
const RUSH = { nodeCount: 12, learnCount: 20, stormMs: 0 };

const run = (seed: number, options: Omit<MeshSimulationOptions, "seed">): Promise<readonly string[]> =>
  new MeshSimulation({ seed, ...options }).run();

test(`after ${SEED_COUNT} storms of partitions, crashes and crossing dials every wanted pair has one link`, async () => {
  expect(await search(seeds(SEED_COUNT), (seed) => run(seed, STORM))).toEqual([]);
});

test("when everybody dials everybody at once, no link that was told of ends", async () => {
  expect(await search(seeds(Math.ceil(SEED_COUNT / 3)), (seed) => run(seed, RUSH))).toEqual([]);
});

test.skipIf(QUICK).each(["nobody-decides", "joined-not-told", "frames-doubled"] as const)(
  "the planted fault %s is found",
  async (bug) => {
    const options = bug === "nobody-decides" ? RUSH : STORM;
    expect(await firstProblem(seeds(20), (seed) => run(seed, { ...options, bug }), /./)).toBeDefined();
  },
);

test("a seed says everything: two runs deliver the same", async () => {
  const short = { ...STORM, stormMs: 10_000 };
  const twins = [new MeshSimulation({ seed: 5, ...short }), new MeshSimulation({ seed: 5, ...short })];
  for (const twin of twins) await twin.run();
  expect(twins[0]?.deliveredCount).toBe(twins[1]?.deliveredCount);
  expect(twins[0]?.deliveredCount).toBeGreaterThan(100);
});
