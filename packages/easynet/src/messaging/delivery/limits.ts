const KIB = 1024;
const MIB = 1024 * 1024;

/** Payload of one message; above: MESSAGE_TOO_LARGE. Four batches: control never waits long behind one. */
export const PAYLOAD_BYTES_MAX = 256 * KIB;
/** A batch is closed at this size; one larger message travels alone. */
export const BATCH_BYTES_MAX = 64 * KIB;
/** Messages of one batch. */
export const BATCH_COUNT_MAX = 4096;
/** Different kinds in one batch; one more begins another. */
export const BATCH_KINDS_MAX = 250;
/** UTF-8 bytes of a kind. */
export const KIND_BYTES_MAX = 128;
/** UTF-8 bytes of each of trace, cause, session, from and to. */
export const TEXT_BYTES_MAX = 255;
/** Life of a message when none is named, ms. */
export const LIFETIME_MS_DEFAULT = 300_000;
/** Longest life of a message, ms: a year. */
export const LIFETIME_MS_MAX = 365 * 24 * 3600 * 1000;
/** Larger numbers have no form in a batch (48 bits). */
export const NUMBER_MAX = 2 ** 48 - 1;

/** Bytes transmitted and not acknowledged, of all lanes of a peer but the critical one. */
export const IN_FLIGHT_BYTES_MAX = 4 * MIB;
/** What each lane below critical may send before the others get their turn, times its weight 4, 2 or 1. */
export const DRAIN_QUANTUM_BYTES = 64 * KIB;
export const DRAIN_WEIGHTS: readonly number[] = [8, 4, 2, 1];
/** Nothing acknowledged for this long plus `rand(0, min(30 s, 200 ms * 2^n))`: everything is sent again. */
export const RESEND_AFTER_MS = 1000;
export const RESEND_BACKOFF = { baseMs: 200, capMs: 30_000 };
/** Expired messages of a peer that is away are looked for at most this often. */
export const EXPIRY_SWEEP_MS = 1000;
/** A gap is asked for again after this, ms; until then what comes behind it is dropped in silence. */
export const GAP_AGAIN_MS = 500;

/** Deliveries of one message before it becomes a dead letter. */
export const DELIVERIES_COUNT_MAX = 5;
/** Before delivery n: `min(cap, base * 2^(n - 2))`, half of it more or less. */
export const REDELIVERY_BASE_MS = 100;
export const REDELIVERY_CAP_MS = 10_000;
/** A handler whose promise has not settled by then failed; what it does later is not committed. */
export const HANDLER_TIMEOUT_MS = 300_000;
/** A full disk is tried again after this, ms. */
export const STORE_RETRY_MS = 500;
/** Bytes of one peer's messages in memory; above: what the store has is read again when its turn comes. */
export const RESIDENT_BYTES_MAX = 16 * MIB;
/** Batches handled before other work of the process gets its turn. */
export const HANDLED_PER_TURN_MAX = 16;
/** Effects of handlers that wait for their commit; above: nothing is handled until they are committed. */
export const UNCOMMITTED_WRITES_MAX = 20_000;
export const UNCOMMITTED_BYTES_MAX = 8 * MIB;
/** Writes and sends of one handler; above: INVALID_ARGUMENT in the handler. */
export const TRANSACTION_BYTES_MAX = 8 * MIB;
/** Batches taken since the last commit; above: the sender has to repeat. One commit stays far below 64 MiB. */
export const INTAKE_BYTES_MAX = 24 * MIB;
/** Rows of one commit of the outbox. */
export const COMMIT_BYTES_MAX = 8 * MIB;
/** Rows of acknowledged batches are deleted with the next commit of the outbox, or by themselves after this, ms. */
export const DELETE_AFTER_MS = 20;
/** Signed batches that a recipient keeps to prove messages of them; above: the oldest go. */
export const SIGNED_COUNT_MAX = 1000;
export const SIGNED_BYTES_MAX = 16 * MIB;
/** Longest sleep of a timer, ms: those of the run time end at 2^31. */
export const TIMER_MS_MAX = 3_600_000;

export interface DeliveryLimits {
  /** Bytes and messages not acknowledged by one peer; above: BACKPRESSURE. @default 64 MiB, 200,000 */
  readonly outboxBytesMax: number;
  readonly outboxCountMax: number;
  /** Bytes of one peer and lane that were taken and not handled; above: the peer waits. @default 4 MiB */
  readonly inboxLaneBytesMax: number;
  /** The same for all peers together. @default 256 MiB */
  readonly inboxBytesMax: number;
  /** Dead letters kept; above: the oldest go, and are counted. @default 10,000 */
  readonly deadCountMax: number;
  /** Peers with a state; above: OVERLOADED, and what a further peer sends is dropped. @default 10,000 */
  readonly peersCountMax: number;
}

export const defaultDeliveryLimits: DeliveryLimits = {
  outboxBytesMax: 64 * MIB,
  outboxCountMax: 200_000,
  inboxLaneBytesMax: 4 * MIB,
  inboxBytesMax: 256 * MIB,
  deadCountMax: 10_000,
  peersCountMax: 10_000,
};
