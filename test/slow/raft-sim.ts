/**
 * Seeded worlds of the Raft core, three and five members in turn: test/simulation/raft/raft-world.ts. Schedules per minute
 * and core are by the time of the processor, since the machine has others to serve.
 */
import { RaftWorld } from "../simulation/raft/raft-world.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 1000, batchCases: 1000, issue: "05-state" };

const SIZES = [3, 5] as const;
const MINUTE_MS = 60_000;

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const failures: string[] = [];
  const figures: Record<string, number> = {};
  const add = (name: string, value: number): void => void (figures[name] = (figures[name] ?? 0) + value);
  for (let index = 0; index < cases; index++) {
    const memberCount = SIZES[index % SIZES.length] ?? 3;
    const worldSeed = (seed + Math.floor(index / SIZES.length)) >>> 0;
    const startedWith = process.cpuUsage();
    const world = new RaftWorld({ seed: worldSeed, memberCount });
    const problems = world.run();
    const { user, system } = process.cpuUsage(startedWith);
    add(`cpuMs${memberCount}`, Math.round((user + system) / 1000));
    add(`schedules${memberCount}`, 1);
    for (const [name, count] of Object.entries(world.counts)) add(name, count);
    if (problems.length > 0)
      failures.push(`seed ${worldSeed}, ${memberCount} members: ${problems.slice(0, 3).join("; ")}`);
    onProgress(index + 1);
  }
  return { cases, failures, figures };
}

export function summarize(sums: Readonly<Record<string, number>>): Record<string, number> {
  const rates = SIZES.map((size) => [
    `schedulesPerMinute${size}`,
    Math.round(((sums[`schedules${size}`] ?? 0) / (sums[`cpuMs${size}`] ?? Infinity)) * MINUTE_MS),
  ]);
  return Object.fromEntries(rates);
}
