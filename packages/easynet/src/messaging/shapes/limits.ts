/** Kinds that one node knows; a further one is refused. */
export const KINDS_COUNT_MAX = 1_000;
/** Requests of others that this node works on at once; one more is answered with OVERLOADED. */
export const REQUESTS_OPEN_MAX = 1_024;
/** Own requests that wait for an answer, or whose answer is kept: the oldest answer makes room, without one OVERLOADED. */
export const REQUESTS_WAITING_MAX = 10_000;
/** How long an answer waits for somebody to ask for it again, ms. */
export const ANSWER_KEPT_MS = 600_000;
/** An answer lives at least this long on its way, ms: the asker may be restarting. */
export const ANSWER_LIFE_MS = 300_000;
/** How long a request waits for its answer when it does not say, ms. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** How often what is over is thrown away, ms. */
export const SWEEP_MS = 30_000;
/** Topics that a node is in; they travel in its directory entry. */
export const TOPICS_COUNT_MAX = 100;
/** Characters of a topic's name. */
export const TOPIC_LENGTH_MAX = 120;
/** Receivers of one multicast. */
export const RECEIVERS_COUNT_MAX = 10_000;
/** A broadcast this much older or newer than now is refused, ms: the clocks of the members may differ. */
export const BROADCAST_AGE_MS_MAX = 300_000;
/** Broadcasts remembered for that time, so that none is handled twice; at the limit the oldest goes out. */
export const BROADCASTS_SEEN_MAX = 8_192;
/** Encoded payload of one message; above: MESSAGE_TOO_LARGE. Sender and receiver have it in memory as a whole. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
/** An encoded answer to a durable request, which is a row of the asker's store; above: the asker gets MESSAGE_TOO_LARGE. */
export const STORED_ANSWER_BYTES_MAX = 7 * 1024 * 1024;
/** A larger body travels as an artifact, bytes; a volatile one only where it has to, because artifacts are on disk. */
export const INLINE_BYTES_MAX = 64 * 1024;
export const INLINE_VOLATILE_BYTES_MAX = 256 * 1024;
/** Bytes of messages that wait until their bodies, or those before them, are artifacts; above: BACKPRESSURE. */
export const PACKING_BYTES_MAX = 256 * 1024 * 1024;
/** An artifact outlives its message by this, ms: clocks differ, and its handler may be reading. */
export const BODY_GRACE_MS = 60_000;
/** How often the body of a message is asked for again while it cannot be had, ms. */
export const BODY_RETRY_MS = 1_000;
/** Messages to this node itself that wait to be handled; one more gets BACKPRESSURE. */
export const OWN_COUNT_MAX = 10_000;
