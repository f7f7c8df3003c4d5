/** Body of one frame, in bytes. 1 MiB: 16 of the chunks that large values are cut into, small beside a lane's window. */
export const FRAME_BYTES_MAX = 1024 * 1024;
/** Body of a frame before the peer is admitted: a hello with a membership fits ten times. */
export const HELLO_BYTES_MAX = 64 * 1024;
/** Arrays and maps inside one another; deeper values are refused before anything is decoded. */
export const VALUE_DEPTH_MAX = 64;
/** A 53-bit number is the largest that counts without gaps in JavaScript. */
export const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER;
