/** How bad the world is in which a group lives; drawn for each seed, so that each has faults of its own (swarm testing). */
import type { Random } from "../../../packages/easynet/src/kernel/index.ts";

export interface Weather {
  /** Of messages between members and from and to clients, 0 to 1. */
  readonly lossRatio: number;
  readonly doubleRatio: number;
  readonly latencyMsMax: number;
  /** Of messages that take twenty times as long. */
  readonly tailRatio: number;
  /** Chance in each turn of {@link WEATHER_TURN_MS}. */
  readonly isolations: number;
  readonly halves: number;
  readonly oneWays: number;
  readonly heals: number;
  readonly crashes: number;
  /** Everybody at once. */
  readonly powerCuts: number;
  readonly pauses: number;
  readonly slowDisks: number;
  readonly transfers: number;
  /** From asking the disk to the answer, ms. */
  readonly syncMsMax: number;
  /** Ticks come up to so much too fast or too slow, 0 to 1. */
  readonly driftRatio: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** One entry in each append. */
  readonly smallAppends: boolean;
  /** Entries kept in the log behind a snapshot. */
  readonly keptEntryCount: number;
}

/** Faults that are planted to see that the checks find them. */
export type Bug =
  /** A leader answers reads from its own state without asking whether it still leads. */
  | "reads-without-asking"
  /** A member answers reads before it has applied what they must see. */
  | "reads-before-applied"
  /** A member votes, and does not know of it when it starts again. */
  | "forgets-vote"
  /** A leader takes entries of earlier terms for committed as soon as a majority holds them. */
  | "counts-old-terms"
  /** A disk answers before the write is durable. */
  | "answers-before-sync"
  /** What a client repeats is carried out again. */
  | "forgets-sessions";

export const TICK_MS = 30;
export const ELECTION_TICKS = 10;
export const HEARTBEAT_TICKS = 3;
export const WEATHER_TURN_MS = 100;

export function drawWeather(random: Random): Weather {
  const next = (): number => random.next();
  /** Absent in half of the worlds. */
  const some = (most: number): number => (next() < 0.5 ? 0 : next() * most);
  return {
    lossRatio: some(0.15),
    doubleRatio: some(0.1),
    latencyMsMax: next() < 0.2 ? 2 + next() * 60 : 1 + next() * 10,
    tailRatio: some(0.03),
    isolations: some(0.5),
    halves: some(0.4),
    oneWays: some(0.5),
    heals: 0.1 + next() * 0.5,
    crashes: some(0.5),
    powerCuts: some(0.06),
    pauses: some(0.3),
    slowDisks: some(0.2),
    transfers: some(0.2),
    syncMsMax: 1 + next() * (next() < 0.2 ? 30 : 5),
    driftRatio: some(0.4),
    preVote: next() < 0.8,
    checkQuorum: next() < 0.8,
    smallAppends: next() < 0.2,
    keptEntryCount: next() < 0.5 ? 3 : 1000,
  };
}

/** Nothing fails by itself: what happens is what a script does. */
export const CALM: Weather = {
  lossRatio: 0,
  doubleRatio: 0,
  latencyMsMax: 5,
  tailRatio: 0,
  isolations: 0,
  halves: 0,
  oneWays: 0,
  heals: 0,
  crashes: 0,
  powerCuts: 0,
  pauses: 0,
  slowDisks: 0,
  transfers: 0,
  syncMsMax: 2,
  driftRatio: 0,
  preVote: true,
  checkQuorum: true,
  smallAppends: false,
  keptEntryCount: 1000,
};
