export { decodeValue, encodeValue } from "./codec.ts";
export type { Envelope } from "./envelope-types.ts";
export { FRAME_TYPES, type FrameType } from "./frame-types.ts";
export { type Lane, LANES } from "./lanes.ts";
export { CARD_BYTES_MAX, CARD_FUTURE_MS_MAX, signCard, verifyCard, type VerifyCardOptions } from "./signed-card.ts";
