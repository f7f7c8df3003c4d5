import { caseCount } from "../quick.ts";

/**
 * Which seeds the simulations draw. More: EASYNET_SIM_SEEDS=1000; one: EASYNET_SIM_SEED=7. `npm run check` draws fewer
 * than `npm test` (test/quick.ts); the slow lane draws thousands.
 */
const ONE_SEED = process.env["EASYNET_SIM_SEED"];
const SEEDS = process.env["EASYNET_SIM_SEEDS"];

interface Found {
  readonly seed: number;
  readonly problems: readonly string[];
}

/** Seeds in this run of a simulation that draws `count` in `npm test`. */
export function seedCount(count: number): number {
  return SEEDS === undefined ? caseCount(count) : Number(SEEDS);
}

/** The first `count` seeds, or the one that was asked for. */
export function seeds(count: number): readonly number[] {
  return ONE_SEED === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(ONE_SEED)];
}

type Run = (seed: number) => Promise<readonly string[]>;

const FOUND_COUNT_MAX = 3;

/** The first seeds whose world goes wrong, with what went wrong. */
export async function search(among: readonly number[], run: Run): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const seed of among) {
    const problems = await run(seed);
    if (problems.length > 0) found.push({ seed, problems: problems.slice(0, 10) });
    if (found.length === FOUND_COUNT_MAX) break;
  }
  return found;
}

/** The first problem that reads like `sign`, for planted faults; undefined when no world has one. */
export async function firstProblem(among: readonly number[], run: Run, sign: RegExp): Promise<string | undefined> {
  for (const seed of among) {
    const problem = (await run(seed)).find((each) => sign.test(each));
    if (problem !== undefined) return problem;
  }
  return undefined;
}
