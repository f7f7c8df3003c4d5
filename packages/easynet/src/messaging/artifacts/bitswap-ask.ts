import type { Clock, Timer } from "../../kernel/index.ts";
import { hashOf } from "./cid.ts";

export interface BitswapAskOptions {
  readonly hashes: readonly string[];
  readonly clock: Clock;
  /** It ends when nothing that was asked comes for this long. */
  readonly idleMs: number;
}

/** Blocks that were asked of one peer. What it sends counts by its hash; other blocks are none of ours. */
export class BitswapAsk {
  /** Resolves with what came: when each block came or is known to be missing, or nothing comes any more. */
  readonly ended: Promise<ReadonlyMap<string, Uint8Array>>;
  readonly #options: BitswapAskOptions;
  readonly #open: Set<string>;
  readonly #blocks = new Map<string, Uint8Array>();
  readonly #settle = Promise.withResolvers<ReadonlyMap<string, Uint8Array>>();
  #idle: Timer;

  constructor(options: BitswapAskOptions) {
    this.#options = options;
    this.#open = new Set(options.hashes);
    this.ended = this.#settle.promise;
    this.#idle = this.#wait();
  }

  take(block: Uint8Array): void {
    const hash = hashOf(block);
    if (!this.#open.delete(hash)) return;
    this.#blocks.set(hash, block);
    this.#idle.cancel();
    this.#idle = this.#wait();
    this.#endIfDone();
  }

  lack(hash: string): void {
    this.#open.delete(hash);
    this.#endIfDone();
  }

  end(): void {
    this.#idle.cancel();
    this.#settle.resolve(this.#blocks);
  }

  #endIfDone(): void {
    if (this.#open.size === 0) this.end();
  }

  #wait(): Timer {
    return this.#options.clock.setTimer(this.#options.idleMs, () => this.end());
  }
}
