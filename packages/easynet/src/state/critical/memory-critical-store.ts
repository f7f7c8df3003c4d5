import { type Clock, EasynetError, repeat, silentLogger, type Timer } from "../../kernel/index.ts";
import { LeaseTimers } from "./lease-timers.ts";
import { Machine } from "./machine-core.ts";
import type { Operation, Query, QueryAnswer, Reply } from "./operations.ts";
import { type Executor, OperationStore } from "./operation-store.ts";
import type { CriticalEvent, Lease } from "./types.ts";
import { Watchers } from "./watchers.ts";

/** How often ends of leases are looked at, ms. */
const LEASE_LOOK_MS = 100;

/** The twin of a group for tests and for a single process: the same state machine, in memory, without a log. */
export class MemoryCriticalStore extends OperationStore implements Disposable {
  /** While false every call is refused, as on the smaller side of a partition. */
  hasMajority = true;
  readonly #timer: Timer;

  constructor(clock: Clock) {
    const machine = new Machine();
    const watchers = new Watchers(silentLogger);
    const leases = new LeaseTimers(clock);
    const reachable = (): void => {
      if (this.hasMajority) return;
      throw new EasynetError("NO_MAJORITY", { group: SUBJECT, reason: "it was told so" });
    };
    super(new MemoryExecutor({ machine, watchers, leases, clock, reachable }));
    this.#timer = repeat(clock, LEASE_LOOK_MS, () => {
      for (const { resource, token } of leases.ended()) machine.applyOwn({ kind: "release", resource, token });
      leases.follow(machine.leases.values());
    });
  }

  [Symbol.dispose](): void {
    this.#timer.cancel();
  }
}

const SUBJECT = "The store in memory";

interface MemoryParts {
  readonly machine: Machine;
  readonly watchers: Watchers;
  readonly leases: LeaseTimers;
  readonly clock: Clock;
  readonly reachable: () => void;
}

class MemoryExecutor implements Executor {
  readonly subject = SUBJECT;
  readonly #parts: MemoryParts;
  #sequence = 0;

  constructor(parts: MemoryParts) {
    this.#parts = parts;
  }

  async execute(operation: Operation): Promise<Reply> {
    const { machine, watchers, leases, clock } = this.#parts;
    await this.#turn();
    const batch = { client: "memory", answeredBelow: this.#sequence };
    const nowMs = clock.nowMs();
    if (!machine.sessions.get("memory")) machine.apply({ ...batch, sequence: 0, operations: [] }, nowMs);
    const sequence = ++this.#sequence;
    const { replies, events } = machine.apply({ ...batch, sequence, operations: [operation] }, nowMs);
    leases.follow(machine.leases.values());
    watchers.tell(events);
    return replies?.[0] ?? { kind: "forgotten" };
  }

  async query(query: Query): Promise<QueryAnswer> {
    await this.#turn();
    return this.#parts.machine.query(query);
  }

  async keepAlive(lease: Lease): Promise<boolean> {
    await this.#turn();
    return this.#parts.leases.keepAlive(lease);
  }

  async watch(prefix: string, listener: (event: CriticalEvent) => void): Promise<Disposable> {
    await this.#turn();
    return this.#parts.watchers.add(prefix, listener);
  }

  /** Calls take their turn, as they do on every other store. */
  async #turn(): Promise<void> {
    await Promise.resolve();
    this.#parts.reachable();
  }
}
