/** One tick of the Raft core, ms. */
export const TICK_MS = 50;

/** A leader that is not heard for 14 to 28 ticks (0.7 to 1.4 s) is replaced; a link that closes says so at once. */
export const ELECTION_TICKS = 14;

/** A leader says that it is there every 2 ticks, 100 ms: seven times before anybody doubts it. */
export const HEARTBEAT_TICKS = 2;

/** When the link to the leader closes, its followers ask for votes within this time, ms; chance keeps them apart. */
export const LOST_LEADER_SPREAD_MS = 120;

/** Entries of one append, bytes; one entry may be larger, and still fits into a frame. */
export const APPEND_BYTES_MAX = 256 * 1024;

/** Appends on their way to one member. */
export const APPENDS_IN_FLIGHT_MAX = 64;

/** Proposals of a leader that are not committed, bytes; beyond it proposers wait. */
export const UNCOMMITTED_BYTES_MAX = 16 * 1024 * 1024;

/** The log is folded into a snapshot after so many entries or bytes. */
export const LOG_COUNT_MAX = 10_000;
export const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** Entries that stay behind a snapshot, for members that are only a little late. */
export const LOG_KEPT_COUNT = 1000;
/** As many when they are large. */
export const LOG_KEPT_LARGE_COUNT = 16;

/** How often a leader looks for leases that ended, ticks. */
export const LEASE_LOOK_TICKS = 4;

/** A confirmation of a read that did not come within so many ticks was lost, and is asked for again. */
export const READ_AGAIN_TICKS = 10;

/** A piece of a snapshot on its way, bytes. */
export const SNAPSHOT_CHUNK_BYTES = 256 * 1024;

/** A snapshot on its way at most, bytes: twice what a group holds, because answers of sessions come with it. */
export const SNAPSHOT_BYTES_MAX = 48 * 1024 * 1024;

/** Answers of another node are waited for so long, ms. */
export const ANSWER_TIMEOUT_MS = 3000;

/** Questions of others under way on one node; more are answered with "ask again". */
export const QUESTIONS_COUNT_MAX = 4096;

/** A client waits so long for somebody to lead while a majority may be in reach, ms. */
export const LEADER_PATIENCE_MS = 3000;

/** After so long a write without an answer counts as one whose outcome is not known, ms. */
export const WRITE_PATIENCE_MS = 8000;

/** Pause before a client asks again, ms. */
export const AGAIN_AFTER_MS = 20;

/** Operations of one node that wait for their turn; beyond it they are refused. */
export const WAITING_COUNT_MAX = 100_000;
