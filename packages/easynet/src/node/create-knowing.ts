import type { KeyPair } from "../identity/index.ts";
import type { Clock, Logger, Metrics, Random } from "../kernel/index.ts";
import { createGossip, createSwim, type Gossip, type Mesh, type Swim } from "../mesh/index.ts";
import {
  createDirectory,
  createDocuments,
  createSharedState,
  type Directory,
  type RunningDocuments,
  type RunningState,
} from "../state/index.ts";
import type { Store } from "../storage/index.ts";

export interface KnowingOptions {
  readonly mesh: Mesh;
  readonly keyPair: KeyPair;
  readonly epoch: number;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Knowing {
  readonly swim: Swim;
  readonly gossip: Gossip;
  readonly directory: Directory;
  readonly state: RunningState;
  readonly documents: RunningDocuments;
}

/** What a node knows of the others and with them: who lives, who can do what, and what they share. */
export function createKnowing(options: KnowingOptions): Knowing {
  const swim = createSwim(options);
  const gossip = createGossip(options);
  const directory = createDirectory({ ...options, liveness: swim, gossip });
  const state = createSharedState({ ...options, gossip, directory });
  return { swim, gossip, directory, state, documents: createDocuments(options) };
}
