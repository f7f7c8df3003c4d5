const KIB = 1024;
const MIB = 1024 * 1024;

/** A payload up to this size travels in one frame; a larger one is cut, so that other exchanges interleave. */
export const WHOLE_BYTES_MAX = 48 * KIB;
/** Size of a part of a large payload: a small call on the same lane waits behind one part per large one. */
export const PART_BYTES = 32 * KIB;
/** Below, a frame could wait for credit that is returned only at half a window. */
export const WINDOW_BYTES_MIN = 128 * KIB;
/** What a frame costs of the window beside its bytes, so that many tiny events are bounded as well. */
export const FRAME_COST_BYTES = 64;
/** An `error` that ends an exchange may overrun the window by its own size; it is never larger than this. */
export const ERROR_EVENT_BYTES_MAX = 16 * KIB;

export interface ExchangeLimits {
  /** Encoded input of one exchange; above: INPUT_TOO_LARGE. @default 64 MiB */
  readonly inputBytesMax: number;
  /** One encoded event, result included; above: RESULT_TOO_LARGE. @default 64 MiB */
  readonly eventBytesMax: number;
  /** Received and not yet consumed bytes of all exchanges together; above: OVERLOADED. @default 256 MiB */
  readonly assemblyBytesMax: number;
  /** Exchanges open towards one peer; above: BACKPRESSURE. @default 4096 */
  readonly outgoingPerPeerMax: number;
  /** Exchanges open from one peer; above: it gets OVERLOADED. @default 1024 */
  readonly incomingPerPeerMax: number;
  /** Bytes each side may send on one exchange before the other returns credit; all nodes use the same. @default 256 KiB */
  readonly windowBytes: number;
  /** A peer that returns no credit, or sends no further part of its input, for this long is given up. @default 60,000 */
  readonly idleMs: number;
  /** How long a stopped provider may still send its last events. @default 1,000 */
  readonly graceMs: number;
}

export const defaultExchangeLimits: ExchangeLimits = {
  inputBytesMax: 64 * MIB,
  eventBytesMax: 64 * MIB,
  assemblyBytesMax: 256 * MIB,
  outgoingPerPeerMax: 4096,
  incomingPerPeerMax: 1024,
  windowBytes: 256 * KIB,
  idleMs: 60_000,
  graceMs: 1000,
};
