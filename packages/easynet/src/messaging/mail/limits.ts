const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;

/** No link to a peer for this long, and what waits for it goes to a member that holds mail, ms. */
export const AWAY_AFTER_MS = 30_000;
/** How often is looked who is away, who came, and what lapsed, ms. */
export const MAIL_TICK_MS = 1000;
/** A holder that does not answer for this long is not asked for a while; nor is one that refused, ms. */
export const HOLDER_TIMEOUT_MS = 10_000;
export const HOLDER_AVOIDED_MS = MINUTE_MS;
/** Batches on their way to a holder for one recipient. */
export const HANDING_COUNT_MAX = 32;
/** A node that stops waits so long for its holders, ms. */
export const LEAVING_MS = 2000;

/** Held mail is kept until it expires, but this long at least and at most, ms. */
export const KEEP_MS_MIN = 2 * MINUTE_MS;
export const KEEP_MS_MAX = 7 * 24 * 60 * MINUTE_MS;
/** Of a holder's room, what one sender may fill; above: refused, and it stays in the sender's outbox only. */
export function bytesOfSender(holdBytesMax: number): number {
  return Math.floor(holdBytesMax / 4);
}
/** What one held batch costs beside its bytes: its row and its place in memory. */
export const HELD_OVERHEAD_BYTES = 512;
/** Held batches on their way to one recipient, and their bytes. */
export const GIVING_COUNT_MAX = 64;
export const GIVING_BYTES_MAX = MIB;
/** Mail that could not be taken yet, or was not answered, is given again after this, ms. */
export const GIVE_AGAIN_MS = 5000;
/** Recipients without a link are dialled this often while mail waits for them, ms. */
export const REACH_EVERY_MS = 15_000;
/** Damaged mail from one link until nothing more is opened from it for a while. */
export const BROKEN_COUNT_MAX = 16;
export const BROKEN_PAUSE_MS = MINUTE_MS;
/**
 * The holder says how long it kept a batch. It is believed as far as the wall clocks of sender and recipient agree with
 * it up to this, ms: a holder cannot let messages expire, nor let them outlive their time, by more.
 */
export const AGE_TOLERANCE_MS = 5 * MINUTE_MS;
