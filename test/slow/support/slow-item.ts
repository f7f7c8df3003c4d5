/** The contract between test/slow/run.ts and its items: every test/slow/NAME.ts exports `run`, and `plan` if it likes. */

export interface SlowOptions {
  /** Cases of this batch: inputs of a fuzzer, kills of a crash test. */
  readonly cases: number;
  /** Start of the random choices of this batch; the same seed makes the same choices. */
  readonly seed: number;
  readonly onProgress: (done: number) => void;
}

export interface SlowOutcome {
  /** Cases that were run. */
  readonly cases: number;
  /** One sentence each; empty when everything held. */
  readonly failures: readonly string[];
  /** Further counts of this batch; those of all batches are added up. */
  readonly figures?: Readonly<Record<string, number>>;
  /** Why nothing could be run here. */
  readonly skipped?: string;
}

export interface SlowPlan {
  /** Cases in all. */
  readonly cases: number;
  /** Cases after which the state is kept, so that a stopped run goes on from there. */
  readonly batchCases: number;
  /** File in results/ that keeps the outcome. @default that of the first slice */
  readonly issue?: string;
}

export interface SlowItem {
  readonly run: (options: SlowOptions) => Promise<SlowOutcome>;
  readonly plan?: SlowPlan;
  /** Figures that follow from the sums of all batches, such as rates. */
  readonly summarize?: (sums: Readonly<Record<string, number>>) => Readonly<Record<string, number>>;
}
