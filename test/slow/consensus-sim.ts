/** Seeded worlds of the whole consensus service: test/simulation/consensus-world.ts. */
import { SimulatedConsensus } from "../simulation/consensus-world.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 500, batchCases: 50, issue: "05-state" };

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const failures: string[] = [];
  const figures = { operations: 0, unanswered: 0, crashes: 0, cuts: 0, cpuMs: 0 };
  const startedWith = process.cpuUsage();
  for (let index = 0; index < cases; index++) {
    const world = new SimulatedConsensus({ seed: (seed + index) >>> 0 });
    const problems = await world.run();
    if (problems.length > 0) failures.push(`seed ${(seed + index) >>> 0}: ${problems.slice(0, 3).join("; ")}`);
    for (const name of ["operations", "unanswered", "crashes", "cuts"] as const) figures[name] += world.counts[name];
    onProgress(index + 1);
  }
  const { user, system } = process.cpuUsage(startedWith);
  figures.cpuMs = Math.round((user + system) / 1000);
  return { cases, failures, figures };
}
