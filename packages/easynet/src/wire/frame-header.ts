import { EasynetError } from "../kernel/index.ts";
import { type Lane, LANES } from "./lanes.ts";

/**
 * The header of each frame, little-endian (docs/protocol/frames.md):
 * u32 length of the body | u8 type | u8 flags | u8 lane | u8 version | u64 sequence | u32 time to live ms | u32 correlation.
 */
export const FRAME_HEADER_BYTES = 24;
export const FRAME_VERSION = 1;

/** One frame as read; `body` is valid only until the handler returns. */
export interface Frame {
  readonly lane: Lane;
  readonly type: number;
  /** 0..255 */
  readonly flags: number;
  /** From 1, without gaps, per stream. */
  readonly sequence: number;
  /** 0 = no limit. */
  readonly timeToLiveMs: number;
  /** 0..2^32-1 */
  readonly correlation: number;
  readonly body: Uint8Array;
}

/** What the sender chooses of a frame; type 1..255, numbers as in {@link Frame}. */
export interface FrameInput {
  readonly type: number;
  readonly flags?: number;
  readonly timeToLiveMs?: number;
  readonly correlation?: number;
  readonly body: Uint8Array;
}

const TWO_32 = 2 ** 32;

/** Writes the header of a frame at `offset`. @param place where, and what the sender does not choose */
export function writeHeader(
  target: Uint8Array,
  frame: FrameInput,
  place: { readonly offset: number; readonly lane: number; readonly sequence: number },
): void {
  const { offset, lane, sequence } = place;
  writeUint32(target, offset, frame.body.length);
  target[offset + 4] = frame.type;
  target[offset + 5] = frame.flags ?? 0;
  target[offset + 6] = lane;
  target[offset + 7] = FRAME_VERSION;
  writeUint32(target, offset + 8, sequence % TWO_32);
  writeUint32(target, offset + 12, Math.floor(sequence / TWO_32));
  writeUint32(target, offset + 16, frame.timeToLiveMs ?? 0);
  writeUint32(target, offset + 20, frame.correlation ?? 0);
}

/** What a stream expects of the next header. */
export interface HeaderLimits {
  readonly lane: Lane;
  readonly bytesMax: number;
}

/**
 * Checks the header at `offset`, of which all 24 bytes are there, and returns the length of its body.
 * @throws {EasynetError} FRAME_TOO_LARGE, FRAME_MALFORMED
 */
export function checkHeader(bytes: Uint8Array, offset: number, limits: HeaderLimits): number {
  const length = readUint32(bytes, offset);
  if (length > limits.bytesMax) {
    throw new EasynetError("FRAME_TOO_LARGE", { bytes: length, bytesMax: limits.bytesMax });
  }
  if (bytes[offset + 7] !== FRAME_VERSION) throw malformed(`frame version ${bytes[offset + 7]} is not known`);
  if (LANES[bytes[offset + 6] ?? 255] !== limits.lane) {
    throw malformed(`its lane number ${bytes[offset + 6]} is not that of lane ${limits.lane}`);
  }
  if (bytes[offset + 4] === 0) throw malformed("frame type 0 does not exist");
  return length;
}

/** The sequence in a header. @throws {EasynetError} FRAME_REPLAYED, FRAME_MALFORMED unless it follows `last` */
export function checkSequence(bytes: Uint8Array, offset: number, last: number): number {
  const sequence = readUint32(bytes, offset + 12) * TWO_32 + readUint32(bytes, offset + 8);
  if (sequence === last + 1) return sequence;
  if (sequence <= last) throw new EasynetError("FRAME_REPLAYED", { sequence });
  throw malformed(`sequence ${last + 1} is missing`);
}

export function readUint32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset] ?? 0) |
      ((bytes[offset + 1] ?? 0) << 8) |
      ((bytes[offset + 2] ?? 0) << 16) |
      ((bytes[offset + 3] ?? 0) << 24)) >>>
    0
  );
}

export function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value & 0xff;
  bytes[offset + 1] = (value >>> 8) & 0xff;
  bytes[offset + 2] = (value >>> 16) & 0xff;
  bytes[offset + 3] = (value >>> 24) & 0xff;
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason });
}
