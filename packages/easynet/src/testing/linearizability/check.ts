import type { Model, Operation } from "./history.ts";
import { search } from "./search-core.ts";

export type Verdict =
  | { readonly outcome: "linearizable" }
  /** No order of the operations of `key` explains the answer of the one at `blocked` in the whole history. */
  | { readonly outcome: "violated"; readonly key: string; readonly blocked: number }
  /** The search of `key` was given up. */
  | { readonly outcome: "undecided"; readonly key: string };

export interface CheckOptions<Call> {
  /** Which object a call is about: a history is linearizable exactly if that of each object is (Herlihy and Wing 1990). */
  readonly keyOf?: (call: Call) => string;
  /**
   * Configurations kept for each key; one takes 16 bytes and 4 for each 32 operations of the key. The search gives up
   * there. @default 4,000,000: four times what the largest history of 50 clients in the suite needs.
   */
  readonly configurationCountMax?: number;
}

const CONFIGURATION_COUNT_MAX = 4_000_000;

/** Whether clients that saw this history can believe that every call took effect at one moment while it ran. */
export function checkLinearizable<Call>(
  history: readonly Operation<Call>[],
  model: Model<NoInfer<Call>>,
  { keyOf, configurationCountMax = CONFIGURATION_COUNT_MAX }: CheckOptions<Call> = {},
): Verdict {
  const places = Map.groupBy(history.keys(), (place) => (keyOf ? keyOf(history[place]!.call) : ""));
  let undecided: Verdict | undefined;
  for (const [key, own] of places) {
    const part = own.map((place) => history[place]!);
    const found = search(part, model, configurationCountMax);
    if (found.outcome === "violated") return { outcome: "violated", key, blocked: own[found.blocked]! };
    if (found.outcome === "undecided") undecided ??= { outcome: "undecided", key };
  }
  return undecided ?? { outcome: "linearizable" };
}
