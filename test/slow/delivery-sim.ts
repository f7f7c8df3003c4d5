/** Schedules of loss, duplication, reordering, partition, crash, full disks and clock jumps: test/simulation/delivery-world.ts. */
import { DeliveryWorld } from "../simulation/delivery-world.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 10_000, batchCases: 100, issue: "04-messaging" };

/** Long enough for several crashes of each node; more turns find less in the same time. */
const TURNS = 30;

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const failures: string[] = [];
  const figures = { sent: 0, effects: 0, dead: 0, crashes: 0, cuts: 0, cpuMs: 0 };
  const startedWith = process.cpuUsage();
  for (let index = 0; index < cases; index++) {
    const world = new DeliveryWorld({ seed: seed + index, turns: TURNS });
    const problems = await world.run();
    if (problems.length > 0) failures.push(`seed ${seed + index}: ${problems.slice(0, 3).join("; ")}`);
    for (const name of ["sent", "effects", "dead", "crashes", "cuts"] as const) figures[name] += world.counts[name];
    onProgress(index + 1);
  }
  const { user, system } = process.cpuUsage(startedWith);
  figures.cpuMs = Math.round((user + system) / 1000);
  return { cases, failures, figures };
}
