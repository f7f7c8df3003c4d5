/** Random chains of delegations, good and forged: each is worth what a second reading of the rules says, never more. */
import * as fc from "fast-check";
import { chains, findWorth, worthOf } from "../arbitraries/membership-chain.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 100_000, batchCases: 5000, issue: "03-mesh" };

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const failures: string[] = [];
  const figures = { good: 0, refused: 0 };
  let done = 0;
  for (const links of fc.sample(chains, { seed, numRuns: cases })) {
    const [found, expected] = [JSON.stringify(await findWorth(links)), JSON.stringify(worthOf(links))];
    if (found !== expected) failures.push(`${found} for ${expected}: ${JSON.stringify(links)}`);
    if (expected === undefined) figures.refused++;
    else figures.good++;
    if (++done % 100 === 0) onProgress(done);
  }
  return { cases, failures, figures };
}
