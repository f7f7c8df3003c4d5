/**
 * Ten minutes in which nothing happens, among full nodes in processes of their own: nobody may be found dead, and no
 * link may end. Then two minutes in which the event loop of one of them stands still for 300 ms again and again: it is
 * not dead, and finds nobody dead. A case is a minute of quiet. Tells what an idle node costs.
 */
import { namespacesMissing } from "../support/namespaces.ts";
import { quiet } from "../support/quiet.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

const MINUTE_MS = 60_000;
const NODE_COUNT = 6;
const STARVED_MINUTES = 2;

export const plan: SlowPlan = { cases: 10, batchCases: 10, issue: "03-mesh" };

export async function run({ cases, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const skipped = namespacesMissing();
  if (skipped !== undefined) return { cases: 0, failures: [], skipped };
  const report = await quiet({
    nodeCount: NODE_COUNT,
    quietMs: cases * MINUTE_MS,
    starvedMs: STARVED_MINUTES * MINUTE_MS,
    onProgress: (doneMs) => onProgress(Math.floor(doneMs / MINUTE_MS)),
  });
  const failures: string[] = [];
  for (const [when, { deaths, linksLost }] of [
    ["quiet", report.quiet] as const,
    ["a starved neighbour", report.starved] as const,
  ]) {
    if (deaths > 0) failures.push(`${deaths} false deaths in ${when}`);
    if (linksLost > 0) failures.push(`${linksLost} ends of links were lost in ${when}`);
  }
  const figures = {
    nodes: NODE_COUNT,
    falseDeathsInQuiet: report.quiet.deaths,
    suspicionsInQuiet: report.quiet.suspicions,
    starvedMinutes: STARVED_MINUTES,
    falseDeathsWhileStarved: report.starved.deaths,
    suspicionsWhileStarved: report.starved.suspicions,
    cpuPercentPerNode: rounded(report.cpuPercent, 3),
    sentBytesPerSecondPerNode: rounded(report.sentBytesPerSecond, 0),
    sentPacketsPerSecondPerNode: rounded(report.sentPacketsPerSecond, 1),
    rssMbPerNode: rounded(report.rssMb, 1),
    heapMbPerNode: rounded(report.heapMb, 1),
  };
  return { cases, failures, figures };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
