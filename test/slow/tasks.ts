/** Schedules of broken links and killed processes under stored tasks: see test/simulation/tasks-world.ts. */
import { TasksWorld } from "../simulation/tasks-world.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 2000, batchCases: 50, issue: "04-messaging" };

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const failures: string[] = [];
  const figures = { tasksBegun: 0 };
  for (let index = 0; index < cases; index++) {
    const simulation = new TasksWorld(seed + index);
    const problems = await simulation.run();
    if (problems.length > 0) failures.push(`seed ${seed + index}: ${problems.slice(0, 3).join("; ")}`);
    figures.tasksBegun += simulation.world.runs.length;
    onProgress(index + 1);
  }
  return { cases, failures, figures };
}
