/** Schedules of a hundred nodes: see test/simulation/membership-world.ts. */
import { MembershipWorld } from "../simulation/membership-world.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 2000, batchCases: 20, issue: "03-mesh" };

const WORLD = { nodeCount: 100, activeMs: 20_000, quietMs: 60_000, paceMs: 1000 };

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const failures: string[] = [];
  const figures = { convergedMsSum: 0 };
  for (let index = 0; index < cases; index++) {
    const world = new MembershipWorld({ seed: seed + index, ...WORLD });
    const problems = await world.run();
    if (problems.length > 0) failures.push(`seed ${seed + index}: ${problems.slice(0, 3).join("; ")}`);
    figures.convergedMsSum += Number.isFinite(world.convergedMs) ? world.convergedMs : 0;
    onProgress(index + 1);
  }
  return { cases, failures, figures };
}
