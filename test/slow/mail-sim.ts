/** Messages to a node that is away, through members that hold mail, in all weather: test/simulation/mail-world.ts. */
import { MailWorld } from "../simulation/mail-world.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 5000, batchCases: 100, issue: "04-messaging" };

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const failures: string[] = [];
  const figures = { sent: 0, promised: 0, effects: 0 };
  for (let index = 0; index < cases; index++) {
    const world = new MailWorld({ seed: seed + index });
    const problems = await world.run();
    if (problems.length > 0) failures.push(`seed ${seed + index}: ${problems.slice(0, 3).join("; ")}`);
    for (const name of ["sent", "promised", "effects"] as const) figures[name] += world.counts[name];
    onProgress(index + 1);
  }
  return { cases, failures, figures };
}
