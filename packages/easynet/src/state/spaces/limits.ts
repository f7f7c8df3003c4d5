/** Spaces of one node; a further one is refused. */
export const SPACES_COUNT_MAX = 64;
/** Letters of a space's name. */
export const SPACE_NAME_LENGTH_MAX = 64;
/** Replicas that a space may name; more than these are "everyone". */
export const REPLICAS_COUNT_MAX = 64;
/** Bytes of UTF-8 in a key; a longer one is refused. */
export const STATE_KEY_BYTES_MAX = 400;
/** Bytes of one encoded value, whatever the space allows. */
export const STATE_VALUE_BYTES_MAX = 256 * 1024;
/** Elements of one set, and values that concurrent writes may leave under one key; a further one is refused. */
export const SIBLINGS_COUNT_MAX = 1000;
/** Changes of one key that the history keeps at most, whatever the space says; the oldest goes out. */
export const HISTORY_COUNT_MAX = 100;
/** Listeners of one node; a further one is refused. */
export const WATCHERS_COUNT_MAX = 1000;
/** Reads of one node that wait for replicas; a further one is refused. */
export const WAITING_COUNT_MAX = 1000;
/** Intervals of one writer's changes that arrived before those between; with more, the digests repair it. */
export const GAPS_COUNT_MAX = 256;
/** A page of entries or lines has about this size; one larger entry is a page of its own. */
export const PAGE_BYTES = 128 * 1024;
/** Entries, lines or names that a frame may hold; more is refused as malformed. */
export const ITEMS_COUNT_MAX = 20_000;
/** Names of superseded changes that one entry may carry; more is refused as malformed. */
export const DOTS_COUNT_MAX = 8192;
