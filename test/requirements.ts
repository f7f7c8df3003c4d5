import data from "./requirements.json" with { type: "json" };

/**
 * The manifest of promises: everything that the five founding documents of the project (s000 compute agent, s001
 * three-layer road map, s002 decentralised runtime, s003 distributed network, s004 parallel collaboration) promise,
 * one entry each. It is data; docs/requirements.md is written from it, and test/requirements.test.ts keeps it honest.
 */
export type RequirementId = keyof typeof data;

export interface Requirement {
  readonly id: RequirementId;
  readonly promise: string;
  /** What we do instead of the words of the seed, where we differ. */
  readonly departs?: string;
  /** The documents that make the promise, e.g. `s002 s003`. */
  readonly seeds: string;
  /** The issues that build it, two digits each, ascending. */
  readonly issues: readonly string[];
  /** The issue after which the whole promise must be shown by a test; earlier ones build parts of it. */
  readonly due: string;
}

/** The issue that is being built. Whatever is due by then is cited by a test or stands in OPEN. */
export const CURRENT_ISSUE = "04";

/** Promises that are due and yet not shown, with the reason. */
export const OPEN: Partial<Record<RequirementId, string>> = {};

export const REQUIREMENTS: readonly Requirement[] = Object.entries(data).map(([id, entry]) => {
  if (!isRequirementId(id)) throw new TypeError(`${id} is not a key of its own table`);
  return { id, ...entry };
});

export function isRequirementId(id: string): id is RequirementId {
  return Object.hasOwn(data, id);
}

/** Marks which promises the tests of a file show; test/requirements.test.ts scans the sources for it. */
export function verifies(..._ids: readonly RequirementId[]): void {
  // A marker for the gate; it does nothing at run time.
}
