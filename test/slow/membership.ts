/** Schedules of a hundred nodes, each with one of the profiles of test/simulation/world-profiles.ts in turn. */
import { World } from "../simulation/world.ts";
import { PROFILE_NAMES } from "../simulation/world-profiles.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 2000, batchCases: 20, issue: "03-mesh" };

const WORLD = { nodeCount: 100, activeMs: 12_000, paceMs: 700, settleMsMax: 60_000, quietMs: 8000 };

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const failures: string[] = [];
  const figures = { convergedMsSum: 0, quietBytesPerNodeAndSecondSum: 0 };
  for (let index = 0; index < cases; index++) {
    const profile = PROFILE_NAMES[index % PROFILE_NAMES.length] ?? "everything";
    const world = new World({ seed: seed + index, profile, ...WORLD });
    const problems = await world.run();
    if (problems.length > 0) failures.push(`seed ${seed + index}, ${profile}: ${problems.slice(0, 3).join("; ")}`);
    figures.convergedMsSum += Number.isFinite(world.convergedMs) ? world.convergedMs : 0;
    figures.quietBytesPerNodeAndSecondSum += (world.quietBytes / WORLD.nodeCount / WORLD.quietMs) * 1000;
    onProgress(index + 1);
  }
  return { cases, failures, figures };
}
