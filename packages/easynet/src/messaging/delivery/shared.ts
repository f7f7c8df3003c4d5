import type { KeyPair } from "../../identity/index.ts";
import type { Clock, Logger, MetricLabels, Metrics, Random } from "../../kernel/index.ts";
import type { Mesh } from "../../mesh/index.ts";
import { PRIORITIES } from "../../model/index.ts";
import type { Store, Write } from "../../storage/index.ts";
import type { DeliveryLimits } from "./limits.ts";

/** Counted since the start; also told to the metrics. */
export interface MutableCounts {
  sent: number;
  acknowledged: number;
  received: number;
  duplicates: number;
  handled: number;
  expired: number;
  dead: number;
}

/** What both halves of delivery work with. */
export interface DeliveryShared {
  readonly mesh: Mesh;
  readonly keyPair: KeyPair;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly epoch: number;
  readonly limits: DeliveryLimits;
  readonly counts: MutableCounts;
  /** @param disk fsync before it resolves */
  readonly commit: (writes: readonly Write[], disk: boolean) => Promise<void>;
  /** Calls for a flush at the end of this turn of the event loop. */
  readonly schedule: () => void;
}

const LABELS: readonly MetricLabels[] = PRIORITIES.map((priority) => ({ priority }));

/** The label of a lane in metrics. */
export function laneLabel(lane: number): MetricLabels {
  return LABELS[lane] ?? {};
}
