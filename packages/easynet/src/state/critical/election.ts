import { type Clock, type Logger, repeat, type Timer } from "../../kernel/index.ts";
import type { CriticalStore, Lease } from "./types.ts";

export interface ElectionOptions {
  readonly store: CriticalStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What is led: the resource of the lease. */
  readonly resource: string;
  /** Who this candidate is; candidates have different names. */
  readonly candidate: string;
  /**
   * After so long without a sign of life another candidate may lead, ms. Raised: fewer calls, a longer gap after the death
   * of the one who led. @default 10000
   */
  readonly ttlMs?: number;
  /** Leads from now, with the token to give with every effect; undefined: does not lead any more. */
  readonly onChange: (lease: Lease | undefined) => void;
}

const TTL_MS_DEFAULT = 10_000;

/**
 * One of several candidates leads, as long as it keeps its lease alive; the others ask three times within its time. Two may
 * believe at the same moment that they lead, when one of them was paused: only the token decides (FenceGuard).
 */
export class Election implements AsyncDisposable {
  readonly #options: ElectionOptions;
  readonly #ttlMs: number;
  readonly #timer: Timer;
  #lease: Lease | undefined;
  #keptAtMs = 0;
  #turn: Promise<void> = Promise.resolve();
  #busy = false;
  #stopped = false;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#ttlMs = options.ttlMs ?? TTL_MS_DEFAULT;
    this.#timer = repeat(options.clock, this.#ttlMs / 3, () => this.#next());
    this.#next();
  }

  /** The lease while this candidate leads. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  /** Stops standing; what it led is free at once, if the store can be reached. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer.cancel();
    await this.#turn;
    const lease = this.#lease;
    this.#change(undefined);
    if (lease) await this.#options.store.release(lease).catch((error: unknown) => this.#failed(error));
  }

  #next(): void {
    this.#giveUpInTime();
    if (this.#busy) return;
    this.#busy = true;
    this.#turn = this.#try()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#busy = false;
      });
  }

  async #try(): Promise<void> {
    const { store, clock, resource, candidate } = this.#options;
    const askedAtMs = clock.monotonicMs();
    if (this.#lease) {
      if (await store.keepAlive(this.#lease)) this.#keptAtMs = askedAtMs;
      else this.#change(undefined);
      return;
    }
    const outcome = await store.acquire({ resource, owner: candidate, ttlMs: this.#ttlMs });
    if (!outcome.granted) return;
    this.#keptAtMs = askedAtMs;
    // An answer that took longer than the lease holds is worth nothing, and one after the end is given back by stopping.
    if (clock.monotonicMs() - askedAtMs < this.#ttlMs) this.#change(outcome.lease);
  }

  /** By this node's clock, from before the last answered call: sooner than the store takes it back. */
  #giveUpInTime(): void {
    if (this.#lease && this.#options.clock.monotonicMs() - this.#keptAtMs >= this.#ttlMs) this.#change(undefined);
  }

  #change(lease: Lease | undefined): void {
    if (this.#lease?.token === lease?.token) return;
    this.#lease = lease;
    if (!this.#stopped || !lease) this.#options.onChange(lease);
  }

  #failed(error: unknown): void {
    this.#options.logger.debug("an election could not ask", { resource: this.#options.resource, error });
  }
}
