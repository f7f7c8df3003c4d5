/**
 * How the lanes of one connection share it: before each piece 8 bytes, `u8 type | u24 length | u32 lane id`, big-endian
 * (docs/protocol/transport.md). A data piece is handed on as it comes in, so that nothing is gathered or copied here.
 */
export const LANE_FRAME = { data: 0, open: 1, end: 2, reset: 3 } as const;
export const LANE_FRAME_HEADER_BYTES = 8;
/** Bodies of open (a lane's name), end and reset (a reason). */
const CONTROL_BODY_BYTES_MAX = 256;

export interface LaneFrameHeader {
  readonly type: number;
  /** Bytes that follow the header, below 2^24. */
  readonly length: number;
  readonly id: number;
}

export function writeLaneHeader(target: Uint8Array, { type, length, id }: LaneFrameHeader): void {
  target[0] = type;
  target[1] = length >>> 16;
  target[2] = length >>> 8;
  target[3] = length;
  target[4] = id >>> 24;
  target[5] = id >>> 16;
  target[6] = id >>> 8;
  target[7] = id;
}

export interface LaneFrameHandlers {
  /** A part of a lane's bytes; the parts of one piece come in order. */
  readonly onData: (id: number, chunk: Uint8Array) => void;
  readonly onControl: (type: number, id: number, body: Uint8Array) => void;
}

/** Takes a connection's bytes apart. After an error it must not be fed again. */
export class LaneFrameReader {
  readonly #handlers: LaneFrameHandlers;
  readonly #header = new Uint8Array(LANE_FRAME_HEADER_BYTES);
  #headerUsed = 0;
  #type = 0;
  #id = 0;
  /** Bytes of the current piece still to come. */
  #left = 0;
  #control: Uint8Array | undefined;

  constructor(handlers: LaneFrameHandlers) {
    this.#handlers = handlers;
  }

  /** @throws Error when the bytes are not lane frames */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const end = Math.min(at + this.#left, chunk.length);
        this.#take(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
        at = end;
      } else if (this.#headerUsed === 0 && chunk.length - at >= LANE_FRAME_HEADER_BYTES) {
        this.#readHeader(chunk, at);
        at += LANE_FRAME_HEADER_BYTES;
      } else {
        this.#header[this.#headerUsed++] = chunk[at++] ?? 0;
        if (this.#headerUsed < LANE_FRAME_HEADER_BYTES) continue;
        this.#headerUsed = 0;
        this.#readHeader(this.#header, 0);
      }
    }
  }

  #readHeader(bytes: Uint8Array, at: number): void {
    const byte = (index: number): number => bytes[at + index] ?? 0;
    this.#type = byte(0);
    this.#left = (byte(1) << 16) | (byte(2) << 8) | byte(3);
    this.#id = ((byte(4) << 24) | (byte(5) << 16) | (byte(6) << 8) | byte(7)) >>> 0;
    if (this.#type === LANE_FRAME.data) return;
    if (this.#type > LANE_FRAME.reset) throw new Error(`lane frame type ${this.#type} is not known`);
    if (this.#left > CONTROL_BODY_BYTES_MAX) throw new Error("a lane control frame is too long");
    this.#control = new Uint8Array(this.#left);
    if (this.#left === 0) this.#finishControl(this.#control);
  }

  #take(chunk: Uint8Array): void {
    const control = this.#control;
    const left = this.#left;
    this.#left -= chunk.length;
    if (!control) {
      this.#handlers.onData(this.#id, chunk);
      return;
    }
    control.set(chunk, control.length - left);
    if (this.#left === 0) this.#finishControl(control);
  }

  #finishControl(body: Uint8Array): void {
    this.#control = undefined;
    this.#handlers.onControl(this.#type, this.#id, body);
  }
}
