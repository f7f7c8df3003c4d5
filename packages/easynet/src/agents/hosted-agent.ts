import type { Capability } from "../model/index.ts";
import { createLane, type Lane } from "./admission-core.ts";
import { type CapabilityChecker, checkerOf } from "./capability-checker.ts";
import type { Agent } from "./types.ts";

/** Tasks of one capability at once: async functions mostly wait, so more than cores, but not without end. */
export const CAPABILITY_CONCURRENCY = 64;

/** A capability of an agent of this node with what the host keeps about it. */
export interface HostedCapability<Item> {
  readonly capability: Capability;
  readonly checker: CapabilityChecker;
  readonly lane: Lane<Item>;
}

/** An agent of this node. Indexes its capabilities anew whenever `capabilities()` returns another array. */
export class HostedAgent<Item> {
  readonly agent: Agent;
  readonly did: string;
  /** One lane for all messages: handlers of one agent share a limit, so that kinds need no bookkeeping. */
  readonly messageLane: Lane<Item> = createLane(CAPABILITY_CONCURRENCY);
  #indexed: readonly Capability[] | undefined;
  #byName = new Map<string, HostedCapability<Item> | Capability>();

  constructor(agent: Agent, did: string) {
    this.agent = agent;
    this.did = did;
  }

  offers(name: string): boolean {
    this.#refresh();
    return this.#byName.has(name);
  }

  /** @throws {EasynetError} INVALID_ARGUMENT when a schema of the capability does not compile */
  find(name: string): HostedCapability<Item> | undefined {
    this.#refresh();
    const found = this.#byName.get(name);
    if (!found || "checker" in found) return found;
    const concurrency = this.agent.concurrencyOf?.(name) ?? CAPABILITY_CONCURRENCY;
    const hosted = { capability: found, checker: checkerOf(found), lane: createLane<Item>(Math.max(1, concurrency)) };
    this.#byName.set(name, hosted);
    return hosted;
  }

  #refresh(): void {
    const capabilities = this.agent.capabilities();
    if (capabilities === this.#indexed) return;
    const previous = this.#byName;
    this.#byName = new Map(
      capabilities.map((capability) => {
        const known = previous.get(capability.name);
        // Lanes of unchanged capabilities stay: they count what runs.
        const same = known && "checker" in known && known.capability === capability;
        return [capability.name, same ? known : capability];
      }),
    );
    this.#indexed = capabilities;
  }
}
