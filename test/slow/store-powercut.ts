/**
 * Power cuts by a shim that drops every write since the last fsync: with the synchronisation that we ship nothing
 * acknowledged is lost. Every other trial mixes in commits for the process only, which may be lost after the last commit
 * to the disk and not before it. In every fourth trial the synchronisation is weakened to NORMAL, where commits must be
 * lost: that shows that the test can see a loss.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";
import { compileShim } from "./support/powercut.ts";
import { type CrashOptions, crashOnce, inspectAfterCrash } from "./support/store-crash.ts";
import { noProgress } from "./support/store-load.ts";

export const plan: SlowPlan = { cases: 20, batchCases: 4 };

const PLANTED_EVERY = 4;
/** A cut while the log is being folded in comes right after its sync and loses nothing even with NORMAL: try again. */
const PLANTED_ATTEMPTS = 5;
/** Long enough for the log to be folded into the file and begun anew, which is when the order of syncs matters most. */
const DELAY_MS_MIN = 100;
const DELAY_MS_MAX = 1500;

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "easynet-powercut-"));
  const random = seededRandom(seed);
  const failures: string[] = [];
  const figures = {
    trials: 0,
    acknowledged: 0,
    lost: 0,
    mixedTrials: 0,
    mixedUnsyncedLost: 0,
    plantedTrials: 0,
    plantedAcknowledged: 0,
    plantedLost: 0,
  };
  try {
    const shim = compileShim(folder);
    if (shim.skipped !== undefined) return { cases: 0, failures, skipped: shim.skipped };
    for (let trial = 0; trial < cases; trial += 1) {
      const planted = trial % PLANTED_EVERY === PLANTED_EVERY - 1;
      const mixed = trial % 2 === 0;
      const modes = [...(planted ? ["normal" as const] : []), ...(mixed ? ["mixed" as const] : [])];
      const delayMs = DELAY_MS_MIN + random.next() * (DELAY_MS_MAX - DELAY_MS_MIN);
      const trialOnce = async (attempt: number) =>
        cut({ folder, shim: shim.path, round: trial * PLANTED_ATTEMPTS + attempt, delayMs, modes });
      const attempts = planted ? PLANTED_ATTEMPTS : 1;
      let outcome = await trialOnce(0);
      for (let attempt = 1; outcome.missing === 0 && attempt < attempts; attempt += 1) {
        outcome = await trialOnce(attempt);
      }
      const { acknowledged, missing, unsynced, faults } = outcome;
      failures.push(...faults.map((fault) => `trial ${trial} (seed ${seed}): ${fault}`));
      figures[planted ? "plantedTrials" : "trials"] += 1;
      figures[planted ? "plantedAcknowledged" : "acknowledged"] += acknowledged;
      figures[planted ? "plantedLost" : "lost"] += missing;
      if (mixed) figures.mixedTrials += 1;
      figures.mixedUnsyncedLost += unsynced;
      if (missing > 0 && !planted) failures.push(`trial ${trial} (seed ${seed}): ${missing} commits are lost`);
      onProgress(trial + 1);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (figures.mixedTrials > 3 && figures.mixedUnsyncedLost === 0) failures.push("no commit was spared a sync");
  if (figures.plantedTrials > 0 && figures.plantedLost === 0) failures.push("the planted fault was not seen");
  return { cases, failures, figures };
}

interface Cut {
  readonly folder: string;
  readonly shim: string;
  readonly round: number;
  readonly delayMs: number;
  readonly modes: NonNullable<CrashOptions["modes"]>;
}

async function cut({ folder, shim, round, delayMs, modes }: Cut) {
  const live = join(folder, String(round));
  const durable = `${live}.durable`;
  mkdirSync(live);
  mkdirSync(durable);
  const pending = noProgress();
  const acknowledged = await crashOnce(
    {
      path: join(live, "node.db"),
      round,
      delayMs,
      from: "first-ack",
      modes,
      env: { LD_PRELOAD: shim, POWERCUT_DIR: live },
    },
    pending,
  );
  const findings = await inspectAfterCrash(join(durable, "node.db"), pending);
  rmSync(live, { recursive: true });
  rmSync(durable, { recursive: true });
  return { acknowledged, ...findings };
}
