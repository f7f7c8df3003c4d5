/** A record as it travels, encoded; ten times the largest expected (1,000 small cards). */
export const RECORD_BYTES_MAX = 1024 * 1024;
/** Owner, version, stamp, status and hash are about 130 bytes. */
export const HEADER_BYTES_MAX = 512;
/** Entries are packed into frames of about this size; one larger entry is a frame of its own. */
export const ENTRIES_FRAME_BYTES = 256 * 1024;
/** Entries that a frame may hold; more is refused as malformed. */
export const ENTRIES_COUNT_MAX = 5000;
/** Lines on one page of a digest: about 70 KiB. */
export const LINES_PER_PAGE = 1000;
/** Lines, versions or owners that a frame may hold; more is refused as malformed. */
export const LINES_COUNT_MAX = 5000;
/** Cards that are made ready for verification before other work gets a turn: 32 take about 1 ms. */
export const CARDS_PER_TURN = 32;
/** Signatures that a process verifies at a time on other threads; a further batch waits. 128 take about 7 ms on two. */
export const SIGNATURES_UNDER_WAY_MAX = 128;
/** Dids known to be well formed, because checking one costs more than the rest of a line. */
export const DIDS_COUNT_MAX = 10_000;
/** Frames of entries up to this size (some eight cards, 1 ms) are checked at once; larger ones on other threads. */
export const ENTRIES_AT_ONCE_BYTES_MAX = 8 * 1024;
