import { assert } from "../kernel/index.ts";
import { FULL_MESH_COUNT_MAX } from "./active-view-core.ts";
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from "../wire/index.ts";

/** Limits and times of links; each may be set for tests and for slow networks. */
export interface MeshConfig {
  /** From the open connection to the admission on both sides, ms. A peer that dribbles its hello is cut here. */
  readonly helloTimeoutMs: number;
  /** Between two pings, ms. */
  readonly pingIntervalMs: number;
  /** Intervals in which nothing at all arrived before a link counts as dead. */
  readonly pingsMissedMax: number;
  /** How long a link that is probably dead may take to answer, ms: a new hello came from its other end. */
  readonly suspectTimeoutMs: number;
  /** How long to wait for the link that a peer says it has when it refused another; longer than `suspectTimeoutMs`. */
  readonly duplicateWaitMs: number;
  /** How long direct dials are alone before a detour through another member is tried beside them, ms. */
  readonly detourAfterMs: number;
  /** For one address, ms. */
  readonly dialTimeoutMs: number;
  /** What was written may take this long to leave when a link closes, ms. */
  readonly closeTimeoutMs: number;
  /** Redialling waits `random(0, min(cap, base * 2^attempt))`, ms. */
  readonly redialBaseMs: number;
  readonly redialCapMs: number;
  /** The cap for a peer that was linked less than `redialFreshMs` ago, ms: whoever just was there is likely to return. */
  readonly redialFreshCapMs: number;
  readonly redialFreshMs: number;
  /** Learnt peers that are dialled at once. */
  readonly dialsCountMax: number;
  /** Up to this many known peers a link is kept to each; with more, to an active view of them, and on demand. */
  readonly fullMeshCountMax: number;
  /** Peers kept for redialling; a further one is not stored, and counted. */
  readonly knownPeersCountMax: number;
  /** Admitted links; a further one is refused with OVERLOADED. */
  readonly linksCountMax: number;
  /** Connections from others that are not admitted yet; a further one is dropped. */
  readonly handshakesCountMax: number;
  /** Bytes waiting on one lane of one link; then `send` throws BACKPRESSURE. */
  readonly laneQueueBytesMax: number;
  /** Bytes that one lane may have under way without the receiver having consumed them; both sides must agree. */
  readonly laneWindowBytes: number;
}

const MESH_CONFIG: MeshConfig = {
  helloTimeoutMs: 5000,
  pingIntervalMs: 2000,
  pingsMissedMax: 3,
  suspectTimeoutMs: 1000,
  duplicateWaitMs: 1500,
  detourAfterMs: 500,
  dialTimeoutMs: 5000,
  closeTimeoutMs: 1000,
  redialBaseMs: 200,
  redialCapMs: 30_000,
  redialFreshCapMs: 2000,
  redialFreshMs: 600_000,
  dialsCountMax: 8,
  fullMeshCountMax: FULL_MESH_COUNT_MAX,
  knownPeersCountMax: 5000,
  linksCountMax: 300,
  handshakesCountMax: 64,
  laneQueueBytesMax: 8 * 1024 * 1024,
  laneWindowBytes: 2 * 1024 * 1024,
};

/** Queued bytes of a lane above which `send` answers false; `drained` resolves below half of it. */
export const LANE_HIGH_WATER_BYTES = 1024 * 1024;
/** Control frames that a peer may send in one go, and per second after that. Control has no window: this is its limit. */
export const CONTROL_BURST_COUNT_MAX = 20_000;
export const CONTROL_PER_SECOND_MAX = 5000;
/** Requests to join that are looked at in one go, and per second after that; a further one is refused unread. */
export const STRANGERS_BURST_COUNT_MAX = 32;
export const STRANGERS_PER_SECOND_MAX = 8;
/** Bytes of control frames whose handlers have not finished. */
export const CONTROL_HELD_BYTES_MAX = 8 * 1024 * 1024;

/** The defaults with changes. Asserts that the values fit one another. */
export function meshConfig(changes: Partial<MeshConfig> = {}): MeshConfig {
  const config = { ...MESH_CONFIG, ...changes };
  // A quarter of the window may be consumed and not given back; the largest frame must fit into the rest.
  const frame = FRAME_BYTES_MAX + FRAME_HEADER_BYTES;
  assert(config.laneWindowBytes * 0.75 >= frame, "laneWindowBytes is too small for the largest frame");
  assert(config.laneQueueBytesMax >= frame, "laneQueueBytesMax is too small for the largest frame");
  assert(config.redialBaseMs <= config.redialCapMs, "redialBaseMs exceeds redialCapMs");
  return config;
}
