import { expect, test } from "vitest";
import { verifies } from "../requirements.ts";
import { MeshSimulation, type MeshSimulationOptions } from "./mesh-simulation.ts";

verifies("mesh:p2p:no-centre", "mesh:p2p:join");

/** More seeds: EASYNET_SIM_SEEDS=10000; one seed: EASYNET_SIM_SEED=7. */
const SEED_COUNT = Number(process.env["EASYNET_SIM_SEEDS"] ?? 12);
const ONE_SEED = process.env["EASYNET_SIM_SEED"];

const STORM = { nodeCount: 20, learnCount: 3, stormMs: 30_000 };
/** Everybody dials everybody at the same moment, and nothing else ever happens. */
const RUSH = { nodeCount: 12, learnCount: 20, stormMs: 0 };

async function search(
  among: Iterable<number>,
  options: Omit<MeshSimulationOptions, "seed">,
): Promise<readonly { readonly seed: number; readonly problems: readonly string[] }[]> {
  const found = [];
  for (const seed of among) {
    const problems = await new MeshSimulation({ seed, ...options }).run();
    if (problems.length > 0) found.push({ seed, problems });
    if (found.length === 3) break;
  }
  return found;
}

function seeds(count: number): readonly number[] {
  return ONE_SEED === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(ONE_SEED)];
}

test(`after ${SEED_COUNT} storms of partitions, crashes and crossing dials every wanted pair has one link`, async () => {
  expect(await search(seeds(SEED_COUNT), STORM)).toEqual([]);
});

test("when everybody dials everybody at once, no link that was told of ends", async () => {
  expect(await search(seeds(Math.ceil(SEED_COUNT / 3)), RUSH)).toEqual([]);
});

test.each(["nobody-decides", "joined-not-told", "frames-doubled"] as const)(
  "the planted fault %s is found",
  async (bug) => {
    const options = bug === "nobody-decides" ? RUSH : STORM;
    expect(await search(seeds(20), { ...options, bug })).not.toEqual([]);
  },
);

test("a seed says everything: two runs deliver the same", async () => {
  const runs = [new MeshSimulation({ seed: 5, ...STORM }), new MeshSimulation({ seed: 5, ...STORM })];
  for (const run of runs) await run.run();
  expect(runs[0]?.deliveredCount).toBe(runs[1]?.deliveredCount);
  expect(runs[0]?.deliveredCount).toBeGreaterThan(100);
});
