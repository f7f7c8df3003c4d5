/** A thousand nodes with about eight links each: how soon they agree after a storm, and what quiet costs. */
import { MembershipWorld } from "../simulation/membership-world.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 1, batchCases: 1, issue: "03-mesh" };

const WORLD = { nodeCount: 1000, activeMs: 5000, quietMs: 60_000, paceMs: 500 };

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const failures: string[] = [];
  const figures = { convergedMs: 0, quietBytesPerNodeAndSecond: 0 };
  for (let index = 0; index < cases; index++) {
    const world = new MembershipWorld({ seed: seed + index, ...WORLD });
    const problems = await world.run();
    if (problems.length > 0) failures.push(`seed ${seed + index}: ${problems.slice(0, 3).join("; ")}`);
    figures.convergedMs += world.convergedMs;
    figures.quietBytesPerNodeAndSecond += Math.round(world.quietBytes / (WORLD.quietMs / 2000) / WORLD.nodeCount);
    onProgress(index + 1);
  }
  return { cases, failures, figures };
}
