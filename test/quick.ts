/**
 * `npm run check` sets EASYNET_QUICK: it is for before each commit, and draws an eighth of the cases that `npm test`
 * draws of everything random. Properties draw others in each run. It leaves out the largest worlds, and the planted
 * faults that take many worlds to find: those test the simulations.
 */
const QUICK_SHARE = 8;

export const QUICK = process.env["EASYNET_QUICK"] !== undefined;

/** How many of the `count` cases of `npm test` this run draws, at least one. */
export function caseCount(count: number): number {
  return QUICK ? Math.ceil(count / QUICK_SHARE) : count;
}

/** For `fc.assert`: tries a property `count` times in `npm test`. Costly properties need it; the others are for nothing. */
export function tries(count: number): { readonly numRuns: number } {
  return { numRuns: caseCount(count) };
}
