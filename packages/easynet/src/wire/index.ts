export { decodeValue, encodeValue } from "./codec.ts";
export type { Envelope } from "./envelope-types.ts";
export { FRAME_TYPES, type FrameType } from "./frame-types.ts";
export { type Lane, LANES } from "./lanes.ts";
