/**
 * kill -9 of a committing process, again and again: nothing acknowledged may be missing, no value torn, no commit half
 * there, and the file must open. Some kills hit the opening, and some processes open what another one left behind.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";
import { crashOnce, inspectAfterCrash } from "./support/store-crash.ts";
import { noProgress } from "./support/store-load.ts";

export const plan: SlowPlan = { cases: 200, batchCases: 20 };

const DELAY_MS_MAX = 300;
/** Share of kills while the process still starts or opens the file. */
const AT_START_RATIO = 0.15;
/** Share of kills after which the next process opens the file without anybody having closed it. */
const CHAIN_RATIO = 0.3;

export async function run(
  { cases, seed, onProgress }: SlowOptions,
  faults: readonly "early"[] = [],
): Promise<SlowOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "easynet-kill-"));
  const path = join(folder, "node.db");
  const random = seededRandom(seed);
  const failures: string[] = [];
  const figures = { kills: 0, acknowledged: 0, missing: 0, reopenFailures: 0, inspections: 0 };
  let pending = noProgress();
  try {
    for (let round = 0; round < cases; round += 1) {
      const from = random.next() < AT_START_RATIO ? "start" : "first-ack";
      const delayMs = random.next() * DELAY_MS_MAX;
      const modes = [...faults, ...(round % 2 === 1 ? ["mixed" as const] : [])];
      figures.acknowledged += await crashOnce({ path, round, delayMs, from, modes }, pending);
      figures.kills += 1;
      onProgress(round + 1);
      if (random.next() < CHAIN_RATIO && round < cases - 1) continue;
      const findings = await inspectAfterCrash(path, pending).catch((error: unknown) => {
        figures.reopenFailures += 1;
        return { missing: 0, unsynced: 0, faults: [`the file does not open: ${String(error)}`] };
      });
      figures.inspections += 1;
      // A kill of the process may take nothing at all, whatever the durability.
      const missing = findings.missing + findings.unsynced;
      figures.missing += missing;
      if (missing > 0) failures.push(`kill ${round} (seed ${seed}): ${missing} commits are missing`);
      failures.push(...findings.faults.map((fault) => `kill ${round} (seed ${seed}): ${fault}`));
      pending = noProgress();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { cases, failures, figures };
}
