/**
 * Ten minutes of flapping cables between three nodes in processes of their own, while they call each other: nothing
 * may stay of a link that was lost. A case is a minute. Every node is looked at when all is settled, before and after.
 */
import { flap } from "../support/flap.ts";
import { namespacesMissing } from "../support/namespaces.ts";
import type { Holdings } from "../support/reach-messages.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

const MINUTE_MS = 60_000;
const WARM_UP_MS = 60_000;
const SETTLE_MS = 20_000;
const DOWN_MS_MAX = 14_000;

export const plan: SlowPlan = { cases: 10, batchCases: 10, issue: "03-mesh" };

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const skipped = namespacesMissing();
  if (skipped !== undefined) return { cases: 0, failures: [], skipped };
  const report = await flap({
    seed,
    warmUpMs: WARM_UP_MS,
    flapMs: cases * MINUTE_MS,
    downMsMax: DOWN_MS_MAX,
    settleMs: SETTLE_MS,
    onProgress: (doneMs) => onProgress(Math.floor(doneMs / MINUTE_MS)),
  });
  const failures = [...report.leaks];
  if (report.linksLost === 0) failures.push("no link was lost: the cables were not out for long enough");
  if (report.completed === 0) failures.push("no call came through");
  const { flaps, linksLost, completed, failed, start, end } = report;
  const figures = { flaps, linksLost, completed, failed, ...named("start", start), ...named("end", end) };
  return { cases, failures, figures };
}

/** The sum over the nodes of each thing that they hold. */
function named(when: "start" | "end", all: readonly Holdings[]): Record<string, number> {
  const sum = (key: keyof Holdings): number => all.reduce((total, holdings) => total + holdings[key], 0);
  return {
    [`${when}Links`]: sum("links"),
    [`${when}Timers`]: sum("timers"),
    [`${when}Sockets`]: sum("sockets"),
    [`${when}FileDescriptors`]: sum("fileDescriptors"),
    [`${when}HeapBytes`]: sum("heapBytes"),
    [`${when}RssBytes`]: sum("rssBytes"),
  };
}
