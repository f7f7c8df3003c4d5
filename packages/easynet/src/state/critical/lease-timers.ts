import type { Clock } from "../../kernel/index.ts";
import type { Lease } from "./types.ts";

/**
 * The ends of leases, measured by one node's monotonic clock: whoever leads. Nothing of it is in the log; after a change
 * of leader every lease has its full time again (as in etcd), because nobody knows when it was kept alive last.
 */
export class LeaseTimers {
  readonly #clock: Clock;
  readonly #ends = new Map<string, { readonly lease: Lease; endsAtMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Forgets what it measured; every lease has its full time from now. */
  restart(leases: Iterable<Lease>): void {
    this.#ends.clear();
    this.follow(leases);
  }

  /** Starts the time of grants that are new, and forgets those that are over. */
  follow(leases: Iterable<Lease>): void {
    const held = new Map(Array.from(leases, (lease) => [lease.resource, lease]));
    for (const [resource, { lease }] of this.#ends) {
      if (held.get(resource)?.token !== lease.token) this.#ends.delete(resource);
    }
    for (const lease of held.values()) if (!this.#ends.has(lease.resource)) this.#start(lease);
  }

  /** False: this grant is over. */
  keepAlive({ resource, token }: Lease): boolean {
    const known = this.#ends.get(resource)?.lease;
    if (known?.token !== token) return false;
    this.#start(known);
    return true;
  }

  /** Leases whose time is over, to be released through the log. */
  ended(): readonly Lease[] {
    const nowMs = this.#clock.monotonicMs();
    return Array.from(this.#ends.values())
      .filter(({ endsAtMs }) => endsAtMs <= nowMs)
      .map(({ lease }) => lease);
  }

  #start(lease: Lease): void {
    this.#ends.set(lease.resource, { lease, endsAtMs: this.#clock.monotonicMs() + lease.ttlMs });
  }
}
