/** Limits of the local API, each with what happens there. */

/** A request body; a larger one is refused with BODY_TOO_LARGE, the WebSocket takes up to 16 MiB. */
export const BODY_BYTES_MAX = 1024 * 1024;
/** HTTP calls under way at once; one more is refused with OVERLOADED. */
export const HTTP_CALLS_COUNT_MAX = 256;
/** Event streams open at once; one more is refused with OVERLOADED. Each costs a socket and a listener. */
export const STREAMS_COUNT_MAX = 64;
/** Items that a call without a stream collects; one more fails it with RESULT_TOO_LARGE. */
export const COLLECTED_ITEMS_COUNT_MAX = 10_000;
/** Bytes waiting for a reader of node events; above it events are left out, and counted to the reader. */
export const EVENT_BACKLOG_BYTES_MAX = 1024 * 1024;
/** Without a line for this long an event stream gets a comment, so that both ends notice a dead connection. */
export const STREAM_HEARTBEAT_MS = 15_000;
/** The body of an artifact; a larger one is refused, by length with BODY_TOO_LARGE, else with ARTIFACT_TOO_LARGE. */
export const ARTIFACT_BYTES_MAX = 4 * 1024 * 1024 * 1024;
/** A backup of a space; a larger one is refused with BODY_TOO_LARGE. */
export const RESTORE_BYTES_MAX = 64 * 1024 * 1024;
/** How long the head of a request may take to arrive: without a token nobody holds a connection for longer. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** How long a request may take to arrive with its body, which may be an artifact that is typed into a pipe. */
export const BODY_TIMEOUT_MS = 3_600_000;
/** How long `close` waits for running requests before it drops them. */
export const CLOSE_TIMEOUT_MS = 10_000;
/** A shorter token could be guessed. */
export const TOKEN_LENGTH_MIN = 16;
/** WebSocket connections at once; one more is refused at the upgrade. */
export const CONNECTIONS_COUNT_MAX = 256;
/**
 * Bytes that may wait to be read by one attached process, twice the largest message. Above it its calls fail with
 * BACKPRESSURE and new ones are refused until half of it is gone.
 */
export const SEND_BUFFER_BYTES_MAX = 32 * 1024 * 1024;
/** A process that is over its send buffer for this long is disconnected. */
export const CONGESTION_TIMEOUT_MS = 30_000;
