import { digestOf } from "./swim-members-core.ts";

/** Parts that a simulation replaces by faulty ones, to see that it notices. */
export interface SwimRules {
  /** The incarnation that contradicts `seen`. */
  readonly raise: (seen: number) => number;
  readonly digest: typeof digestOf;
}

export const SWIM_RULES: SwimRules = { raise: (seen) => seen + 1, digest: digestOf };
