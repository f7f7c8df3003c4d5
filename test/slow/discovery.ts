/**
 * Discovery and registration: a case is a new network of five machines (network namespaces on one switch) that start in
 * random order within about a second, while one of them loses a tenth of its packets in each direction. Half the cases
 * find each other by multicast alone, half by the address of one member alone. A case succeeds when each node knows
 * every node and agent within 20 seconds of the last start; `succeeded` of `cases` must be 99 %.
 */
import { seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import { namespacesMissing } from "../support/namespaces.ts";
import { Trials } from "../support/trials.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

const LOSS_RATIO = 0.1;
const TIMEOUT_MS = 20_000;

export const plan: SlowPlan = { cases: 200, batchCases: 10, issue: "03-mesh" };

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const skipped = namespacesMissing();
  if (skipped !== undefined) return { cases: 0, failures: [], skipped };
  const failures: string[] = [];
  const figures = { succeeded: 0, within3s: 0, within5s: 0, within10s: 0, byMulticast: 0, msTotal: 0 };
  const random = seededRandom(seed);
  await using trials = await Trials.open();
  for (let done = 0; done < cases; done++) {
    const by = done % 2 === 0 ? "multicast" : "address";
    const { ms, missing } = await trials.run({ random, by, lossRatio: LOSS_RATIO, timeoutMs: TIMEOUT_MS });
    if (missing.length === 0) figures.succeeded++;
    else failures.push(`by ${by}, trial ${done} of seed ${seed}: ${missing.join("; ")}`);
    if (by === "multicast") figures.byMulticast++;
    if (missing.length === 0 && ms <= 3000) figures.within3s++;
    if (missing.length === 0 && ms <= 5000) figures.within5s++;
    if (missing.length === 0 && ms <= 10_000) figures.within10s++;
    figures.msTotal += Math.round(ms);
    onProgress(done + 1);
  }
  return { cases, failures, figures };
}
