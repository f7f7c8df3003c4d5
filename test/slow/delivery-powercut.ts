/** As delivery-kill.ts, and with each kill every write since the last fsync is gone. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run as runKills } from "./delivery-kill.ts";
import { compileShim } from "./support/powercut.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 100, batchCases: 25, issue: "04-messaging" };

export async function run(options: SlowOptions): Promise<SlowOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "easynet-shim-"));
  try {
    const shim = compileShim(folder);
    if (shim.skipped !== undefined) return { cases: 0, failures: [], skipped: shim.skipped };
    return await runKills(options, { shim: shim.path });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
