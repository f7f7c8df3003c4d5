import type { Did } from "../identity/index.ts";
import { type Clock, isEasynetError, type Logger, type Metrics, type Random, WakeTimer } from "../kernel/index.ts";
import type { NodeStatus } from "../model/index.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import { UNNEEDED } from "./link-reasons.ts";
import { orRefuse, type RefusalOptions } from "./refusal.ts";
import { encodeSwim, SwimDecoder } from "./swim-codec.ts";
import { SwimCore } from "./swim-core.ts";
import type { SwimRules } from "./swim-rules.ts";
import { SWIM_LAN, type SwimConfig, type SwimEffect, type SwimInput, type SwimMessage } from "./swim-types.ts";
import type { Mesh, MeshFrame } from "./types.ts";

export interface SwimOptions {
  readonly mesh: Mesh;
  /** Must be larger at each start of the process; the same as that of the directory. */
  readonly epoch: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly config?: Partial<SwimConfig>;
  /** For simulations. */
  readonly rules?: Partial<SwimRules>;
}

/** What the failure detector holds of a member. */
export interface MemberState {
  readonly epoch: number;
  readonly status: NodeStatus;
}

/** Who of the network lives, agreed among all members. */
export interface Swim {
  /** Undefined for who was never heard of. */
  statusOf(did: Did): MemberState | undefined;
  onChange(listener: (did: Did) => void): Disposable;
  /** In maintenance a node goes on running, and nobody chooses what it offers. */
  setMaintenance(on: boolean): void;
  /** Tells every peer that this node goes; nothing is probed any more. */
  leave(): void;
  stop(): void;
  /** 0 while this node keeps its own times; up to 8 as it falls behind. */
  readonly health: number;
}

/** The failure detector of `mesh`; claims the `swim` frame type of it. */
export function createSwim(options: SwimOptions): Swim {
  return new SwimService(options);
}

class SwimService implements Swim {
  readonly #options: SwimOptions;
  readonly #core: SwimCore;
  readonly #decoder = new SwimDecoder();
  readonly #listeners = new Set<(did: Did) => void>();
  readonly #meshListeners: Disposable[];
  readonly #timer: WakeTimer;
  readonly #refusal: RefusalOptions;
  #running = true;
  /** The message that was sent last: one that goes to several peers is encoded once. */
  #encoded: { readonly message: SwimMessage; readonly bodies: readonly Uint8Array[] } | undefined;

  constructor(options: SwimOptions) {
    const { mesh, clock, random, epoch, rules } = options;
    this.#options = options;
    this.#refusal = { ...options, counter: "easynet_swim_refused_total", what: "liveness message" };
    const config = { ...SWIM_LAN, ...options.config };
    const nowMs = clock.monotonicMs();
    this.#timer = new WakeTimer(clock, (lateMs) => this.#step({ kind: "tick", lateMs }));
    this.#core = new SwimCore({ self: mesh.self, epoch, config, random, nowMs, ...(rules && { rules }) });
    mesh.handle(FRAME_TYPES.swim, (frame) => this.#onFrame(frame));
    this.#meshListeners = [
      mesh.on("peer-joined", ({ did }) => this.#step({ kind: "link-up", peer: did })),
      mesh.on("peer-left", ({ did }, reason) =>
        this.#step({ kind: "link-down", peer: did, unneeded: reason === UNNEEDED }),
      ),
    ];
    for (const { did } of mesh.peers()) this.#step({ kind: "link-up", peer: did });
  }

  get health(): number {
    return this.#core.health;
  }

  statusOf(did: Did): MemberState | undefined {
    return this.#core.members.get(did);
  }

  onChange(listener: (did: Did) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  setMaintenance(on: boolean): void {
    this.#step({ kind: "mode", mode: on ? "maintenance" : "alive" });
  }

  leave(): void {
    this.#step({ kind: "mode", mode: "left" });
    this.stop();
  }

  stop(): void {
    this.#running = false;
    this.#timer.cancel();
    for (const listener of this.#meshListeners) listener[Symbol.dispose]();
  }

  #onFrame({ from, body }: MeshFrame): void {
    orRefuse(this.#refusal, from, () => this.#step({ kind: "message", from, message: this.#decoder.decode(body) }));
  }

  #step(input: SwimInput): void {
    if (!this.#running) return;
    for (const effect of this.#core.step(input, this.#options.clock.monotonicMs())) this.#perform(effect);
    if (this.#running) this.#timer.set(this.#core.wakeAtMs);
  }

  #perform(effect: SwimEffect): void {
    const { metrics, logger } = this.#options;
    if (effect.kind === "send") {
      this.#send(effect);
    } else if (effect.kind === "count") {
      metrics.count("easynet_swim_events_total", { event: effect.what });
    } else {
      metrics.count("easynet_swim_changes_total", { status: effect.to });
      logger.info("member changed", { member: effect.did, from: effect.from, to: effect.to });
      for (const listener of this.#listeners) listener(effect.did);
    }
  }

  /** What cannot be sent now is as good as lost on the way: the detector is made for that. */
  #send({ to, message }: Extract<SwimEffect, { kind: "send" }>): void {
    const { mesh, metrics } = this.#options;
    if (this.#encoded?.message !== message) this.#encoded = { message, bodies: encodeSwim(message) };
    try {
      for (const body of this.#encoded.bodies) mesh.send(to, { lane: "control", type: FRAME_TYPES.swim, body });
    } catch (error) {
      if (!isEasynetError(error)) throw error;
      metrics.count("easynet_swim_unsent_total", { reason: error.code });
    }
  }
}
