/** Longest key, bytes of UTF-8; half of what a store of a node takes, so that names of spaces fit before it. */
export const KEY_BYTES_MAX = 512;

/** Longest name of a resource or of an owner, bytes of UTF-8. */
export const NAME_BYTES_MAX = 400;

/** Largest value. 256 KiB: a quarter of a frame; larger data belong into artifacts, and their address here. */
export const VALUE_BYTES_MAX = 256 * 1024;

/** All keys, values and leases of one group. 16 MiB: a snapshot stays one commit of the store, and a moment to make. */
export const QUOTA_BYTES_MAX = 16 * 1024 * 1024;

/** What an item counts beside its key and value, so that many tiny ones are bounded too. */
export const ITEM_OVERHEAD_BYTES = 64;

/** Entries of one `list` call. */
export const LIST_COUNT_MAX = 1000;

/** A page of `list` ends after so many bytes (it always holds one entry), so that it fits into a frame. */
export const LIST_BYTES_MAX = 512 * 1024;

export const LEASE_TTL_MS_MIN = 1000;
export const LEASE_TTL_MS_MAX = 24 * 60 * 60 * 1000;

/** Sessions of clients that a group keeps; the one unused for longest makes place. */
export const SESSIONS_COUNT_MAX = 10_000;

/** A session unused for so long, in time of the log, is forgotten. An hour: a client gives up after seconds. */
export const SESSION_MS = 60 * 60 * 1000;

/** Operations of one batch. */
export const BATCH_OPS_MAX = 1024;

/** Bytes of the operations of one batch, about; a batch of one may be as large as a value. */
export const BATCH_BYTES_MAX = 512 * 1024;

/** Batches of one client under way at a time; what comes meanwhile waits and joins the next. */
export const BATCHES_IN_FLIGHT_MAX = 8;

/** A failed comparison is kept for a repeated batch with what was there only up to this size, bytes. */
export const KEPT_VALUE_BYTES_MAX = 1024;
