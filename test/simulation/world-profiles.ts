/** What kind of life a world has, and the faults that may be planted in it. */
import type { SwimOptions } from "../../packages/easynet/src/mesh/index.ts";
import type { DirectoryOptions } from "../../packages/easynet/src/state/index.ts";

/** How often each thing happens, as weights, and how bad the links are. */
export interface WorldProfile {
  readonly publish: number;
  readonly leave: number;
  readonly crash: number;
  readonly restart: number;
  readonly partition: number;
  readonly heal: number;
  readonly latencyMsMax: number;
  /** Until the far end of a lost link notices. */
  readonly noticeMsMax: number;
  readonly lossRatio: number;
  readonly doubleRatio: number;
}

const calm = { latencyMsMax: 20, noticeMsMax: 500, lossRatio: 0, doubleRatio: 0 };
const uneasy = { ...calm, lossRatio: 0.06, doubleRatio: 0.05 };
const wireless = { latencyMsMax: 80, noticeMsMax: 1500, lossRatio: 0.2, doubleRatio: 0.1 };

export const PROFILES = {
  /** Machines come, go and fall over, on links that are good. */
  crashes: { publish: 20, leave: 15, crash: 30, restart: 35, partition: 0, heal: 0, ...calm },
  /** Switches fail and come back. */
  partitions: { publish: 40, leave: 6, crash: 10, restart: 14, partition: 12, heal: 18, ...calm },
  /** Wireless links at their worst. */
  lossy: { publish: 50, leave: 10, crash: 15, restart: 25, partition: 0, heal: 0, ...wireless },
  everything: { publish: 35, leave: 12, crash: 16, restart: 17, partition: 8, heal: 12, ...uneasy },
} as const satisfies Record<string, WorldProfile>;

export type ProfileName = keyof typeof PROFILES;

export const PROFILE_NAMES: readonly ProfileName[] = ["crashes", "partitions", "lossy", "everything"];

export type PlantedBug =
  | "tombstone-lost"
  | "incarnation-not-raised"
  | "digest-collision-ignored"
  /** A restarted process starts at its old epoch and does not notice what others hold of it. */
  | "epoch-not-raised";

interface Planted {
  readonly swim: Partial<SwimOptions>;
  readonly directory: Partial<DirectoryOptions>;
}

export const BUGS: Readonly<Record<PlantedBug, Planted>> = {
  "tombstone-lost": { swim: { config: { keepMs: 0 } }, directory: { config: { tombstoneMs: 0 } } },
  "incarnation-not-raised": { swim: { rules: { raise: (seen) => seen } }, directory: {} },
  "digest-collision-ignored": { swim: { rules: { digest: () => 0 } }, directory: { sums: () => new Uint32Array(64) } },
  "epoch-not-raised": { swim: {}, directory: {} },
};
