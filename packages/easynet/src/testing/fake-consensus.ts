import { systemClock } from "../kernel/index.ts";
import {
  type Consensus,
  type ConsensusEvent,
  type CriticalStore,
  type GroupReport,
  MemoryCriticalStore,
} from "../state/index.ts";

/** Consensus of a node that is alone: groups are stores in memory. */
export class FakeConsensus implements Consensus {
  readonly #stores = new Map<string, MemoryCriticalStore>();

  store(group = "main"): CriticalStore {
    const store = this.#stores.get(group) ?? new MemoryCriticalStore(systemClock);
    this.#stores.set(group, store);
    return store;
  }

  async start(): Promise<void> {
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    for (const store of this.#stores.values()) store[Symbol.dispose]();
    return Promise.resolve();
  }

  async found(): Promise<void> {
    return Promise.resolve();
  }

  reports(): readonly GroupReport[] {
    return [];
  }

  async transfer(): Promise<void> {
    return Promise.resolve();
  }

  async force(): Promise<void> {
    return Promise.resolve();
  }

  on(_listener: (event: ConsensusEvent) => void): Disposable {
    return { [Symbol.dispose]: () => undefined };
  }
}
