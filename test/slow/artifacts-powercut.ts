/**
 * Power cuts while artifacts are put, by the shim that drops every write since the last fsync and every name whose folder was
 * not synced: whatever was told to be kept is whole afterwards, and nothing else is taken for whole. In every fourth trial
 * the names are not synced, where artifacts must be lost: that shows that the test can see a loss.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { seededRandom, silentLogger, systemClock } from "../../packages/easynet/src/kernel/index.ts";
import { ArtifactStore } from "../../packages/easynet/src/messaging/artifacts/artifact-store.ts";
import { defaultArtifactLimits } from "../../packages/easynet/src/messaging/artifacts/limits.ts";
import { openStore } from "../../packages/easynet/src/storage/index.ts";
import { compileShim } from "./support/powercut.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 20, batchCases: 4, issue: "04-messaging" };

const CHILD = fileURLToPath(new URL("./support/artifact-put-child.ts", import.meta.url));
const PLANTED_EVERY = 4;
const DELAY_MS_MIN = 50;
const DELAY_MS_MAX = 1000;

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "easynet-powercut-"));
  const random = seededRandom(seed);
  const failures: string[] = [];
  const figures = { kept: 0, lost: 0, falselyWhole: 0, plantedTrials: 0, plantedLost: 0 };
  try {
    const shim = compileShim(folder);
    if (shim.skipped !== undefined) return { cases: 0, failures, skipped: shim.skipped };
    for (let trial = 0; trial < cases; trial += 1) {
      const planted = trial % PLANTED_EVERY === PLANTED_EVERY - 1;
      const home = join(folder, String(trial));
      const delayMs = DELAY_MS_MIN + random.next() * (DELAY_MS_MAX - DELAY_MS_MIN);
      const told = await cut({
        home,
        shim: shim.path,
        args: [String(seed + trial), ...(planted ? ["unsynced"] : [])],
        delayMs,
      });
      const { lost, falselyWhole } = await inspect(`${home}.durable`, told);
      rmSync(home, { recursive: true });
      rmSync(`${home}.durable`, { recursive: true });
      figures.kept += told.length;
      figures.falselyWhole += falselyWhole;
      figures[planted ? "plantedLost" : "lost"] += lost;
      if (planted) figures.plantedTrials += 1;
      if (falselyWhole > 0)
        failures.push(`trial ${trial} (seed ${seed}): ${falselyWhole} are not what they are taken for`);
      if (lost > 0 && !planted) failures.push(`trial ${trial} (seed ${seed}): ${lost} of ${told.length} are lost`);
      onProgress(trial + 1);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (figures.plantedTrials > 0 && figures.plantedLost === 0) failures.push("the planted fault was not seen");
  return { cases, failures, figures };
}

interface Cut {
  readonly home: string;
  readonly shim: string;
  readonly args: readonly string[];
  readonly delayMs: number;
}

/** Lets a process put artifacts, and cuts its power some time after the first; the addresses that it told. */
async function cut({ home, shim, args, delayMs }: Cut): Promise<readonly string[]> {
  for (const path of [home, `${home}.durable`]) mkdirSync(join(path, "artifacts"), { recursive: true });
  const env = { ...process.env, LD_PRELOAD: shim, POWERCUT_DIR: home };
  const child = spawn(process.execPath, [CHILD, home, ...args], { stdio: ["ignore", "pipe", "pipe"], env });
  let output = "";
  let trouble = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (trouble += text));
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (output === "") setTimeout(() => child.kill("SIGKILL"), delayMs);
    output += text;
  });
  await once(child, "close");
  if (child.signalCode !== "SIGKILL") throw new Error(`the putting process ended by itself: ${trouble}`);
  return output.split("\n").slice(0, -1);
}

/** How many of the told artifacts are not whole, and how many that count as whole cannot be read. */
async function inspect(home: string, told: readonly string[]): Promise<{ lost: number; falselyWhole: number }> {
  const store = await openStore({ path: join(home, "node.db") });
  const ports = { clock: systemClock, logger: silentLogger, limits: defaultArtifactLimits };
  const artifacts = await ArtifactStore.open({ ...ports, folder: join(home, "artifacts"), store });
  let [lost, falselyWhole] = [0, 0];
  for (const cid of told) if (artifacts.get(cid)?.complete !== true) lost += 1;
  for (const { cid, complete } of artifacts.list()) {
    if (!complete) continue;
    try {
      // Every chunk is checked against the address as it is read.
      for await (const part of artifacts.read(cid)) void part;
    } catch {
      falselyWhole += 1;
    }
  }
  await store.close();
  return { lost, falselyWhole };
}
