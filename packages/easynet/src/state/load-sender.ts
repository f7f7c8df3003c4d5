import { type Clock, repeat, type Timer } from "../kernel/index.ts";
import type { NodeLoad } from "../model/index.ts";

/** A load is told each second, so that its silence says something. */
const HEARTBEAT_MS = 1000;
/** And sooner when it changed by more than one task, but at most ten times a second. */
const CHANGE_COUNT = 1;
const SOONEST_MS = 100;

export interface LoadSenderOptions {
  readonly clock: Clock;
  readonly send: (load: NodeLoad) => void;
}

/** Decides when the own load is told. */
export class LoadSender {
  readonly #options: LoadSenderOptions;
  #load: NodeLoad | undefined;
  #sent: NodeLoad | undefined;
  #sentAtMs = -Infinity;
  #heartbeat: Timer | undefined;
  #soon: Timer | undefined;

  constructor(options: LoadSenderOptions) {
    this.#options = options;
  }

  get load(): NodeLoad | undefined {
    return this.#load;
  }

  start(): void {
    this.#heartbeat ??= repeat(this.#options.clock, HEARTBEAT_MS, () => this.#send());
  }

  stop(): void {
    this.#heartbeat?.cancel();
    this.#heartbeat = undefined;
    this.#soon?.cancel();
    this.#soon = undefined;
  }

  set(load: NodeLoad): void {
    this.#load = load;
    if (!this.#heartbeat || this.#soon || !differs(load, this.#sent)) return;
    const waitMs = this.#sentAtMs + SOONEST_MS - this.#options.clock.monotonicMs();
    if (waitMs <= 0) this.#send();
    else this.#soon = this.#options.clock.setTimer(waitMs, () => this.#send());
  }

  #send(): void {
    this.#soon?.cancel();
    this.#soon = undefined;
    if (!this.#load) return;
    this.#sent = this.#load;
    this.#sentAtMs = this.#options.clock.monotonicMs();
    this.#options.send(this.#load);
  }
}

function differs(load: NodeLoad, sent: NodeLoad | undefined): boolean {
  if (!sent) return true;
  return Math.abs(load.running + load.queued - sent.running - sent.queued) > CHANGE_COUNT;
}
