/** Largest value of one entry, bytes. 16 MiB: the largest result that travels without being cut into chunks. */
export const VALUE_BYTES_MAX = 16 * 1024 * 1024;

/** Largest key, bytes of UTF-8. Longer keys would push rows out of their B-tree page. */
export const KEY_BYTES_MAX = 1024;

/** Largest name of a space, bytes of UTF-8. */
export const SPACE_BYTES_MAX = 128;

/** Bytes that wait for the disk at most, in flight included; beyond it `commit` rejects with OVERLOADED. */
export const QUEUE_BYTES_MAX = 64 * 1024 * 1024;

/** What one write costs in the queue beside its key and value, so that many tiny writes are bounded too. */
export const WRITE_OVERHEAD_BYTES = 64;

/** A group is closed at this size; what arrives later joins the one after it. Bounds one transaction and its retry. */
export const GROUP_BYTES_MAX = 8 * 1024 * 1024;

/** Rows of one `list` call when the caller names no limit. */
export const LIST_COUNT_DEFAULT = 1000;

/** Rows of one `list` call at most. */
export const LIST_COUNT_MAX = 10_000;

/** Value bytes after which `list` ends its page early (it always returns at least one row). */
export const LIST_BYTES_MAX = 64 * 1024 * 1024;
