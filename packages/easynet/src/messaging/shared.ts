import type { Did } from "../identity/index.ts";
import { assert, type Clock, isEasynetError, type Logger, type Metrics } from "../kernel/index.ts";
import type { Mesh, OutgoingFrame } from "../mesh/index.ts";
import type { Lane } from "../wire/index.ts";
import { AssemblyPool } from "./assembly.ts";
import { type ExchangeLimits, WINDOW_BYTES_MIN } from "./limits.ts";
import { Sweep } from "./sweep.ts";
import type { ExchangeRequest } from "./types.ts";

export interface ExchangePorts {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What all exchanges of a node share. */
export class Shared {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits: ExchangeLimits;
  readonly pool: AssemblyPool;
  readonly sweep: Sweep;

  constructor(ports: ExchangePorts, limits: ExchangeLimits) {
    this.mesh = ports.mesh;
    this.clock = ports.clock;
    this.logger = ports.logger;
    this.metrics = ports.metrics;
    assert(limits.windowBytes >= WINDOW_BYTES_MIN, "the window of an exchange holds two frames");
    this.limits = limits;
    this.pool = new AssemblyPool(limits.assemblyBytesMax);
    this.sweep = new Sweep(ports.clock);
  }

  /** One exchange stays on one lane, so that its frames keep their order. */
  laneOf(request: ExchangeRequest): Lane {
    const { priority } = request.envelope;
    return priority === "critical" || priority === "high" ? "high" : "normal";
  }

  /**
   * For frames whose loss the other end survives: false when the link is gone or the lane is full, which is counted.
   */
  sendQuietly(to: Did, frame: OutgoingFrame): boolean {
    try {
      this.mesh.send(to, frame);
      return true;
    } catch (error) {
      if (!isEasynetError(error)) throw error;
      this.metrics.count("easynet_exchange_frames_unsent_total", { reason: error.code });
      return false;
    }
  }
}
