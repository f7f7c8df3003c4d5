/**
 * How long links need to heal, in network namespaces and while calls go on: a case is a minute without cable, and ten
 * times another address. Every call must have an end, and links must be back within five seconds each time. The heal
 * times of addresses are spread over the two seconds between two looks at the machine, so the slowest is told too.
 */
import { healAfterNewAddress, healAfterOutage, type HealReport } from "../support/heal.ts";
import { namespacesMissing } from "../support/namespaces.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

const OUTAGE_MS = 60_000;
const HEAL_MS_MAX = 5000;
const NEW_ADDRESS_COUNT = 10;

export const plan: SlowPlan = { cases: 1, batchCases: 1, issue: "03-mesh" };

export async function run({ cases, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const skipped = namespacesMissing();
  if (skipped !== undefined) return { cases: 0, failures: [], skipped };
  const failures: string[] = [];
  const figures: Record<string, number> = {};
  const add = (name: string, { healMs, completed, failed, open }: HealReport): void => {
    if (healMs > HEAL_MS_MAX) failures.push(`${name}: links were back after ${healMs} ms`);
    if (open > 0) failures.push(`${name}: ${open} calls had no end`);
    for (const [key, value] of Object.entries({ healMsTotal: healMs, completed, failed, open })) {
      const figure = `${name}${key[0]?.toUpperCase() ?? ""}${key.slice(1)}`;
      figures[figure] = (figures[figure] ?? 0) + value;
    }
  };
  for (let done = 0; done < cases; done++) {
    add("outage60s", await healAfterOutage(OUTAGE_MS));
    for (let count = 0; count < NEW_ADDRESS_COUNT; count++) {
      const report = await healAfterNewAddress();
      add("newAddress", report);
      figures["newAddressCount"] = (figures["newAddressCount"] ?? 0) + 1;
      figures["newAddressHealMsMax"] = Math.max(figures["newAddressHealMsMax"] ?? 0, report.healMs);
    }
    onProgress(done + 1);
  }
  return { cases, failures, figures };
}
