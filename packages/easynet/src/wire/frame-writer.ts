import { EasynetError } from "../kernel/index.ts";
import { FRAME_HEADER_BYTES, type FrameInput, writeHeader } from "./frame-header.ts";
import { type Lane, LANES } from "./lanes.ts";
import { FRAME_BYTES_MAX, SEQUENCE_MAX } from "./limits.ts";

/** Frames are gathered in slabs: one write to the stream for many frames. */
const SLAB_BYTES = 64 * 1024;
/** Gathered bytes leave at this size without a flush. Also the largest body that is copied into a slab. */
export const FLUSH_BYTES = 16 * 1024;

/**
 * Turns frames into bytes for one lane, gathered into large writes. A body above 16 KiB is not copied: it is handed
 * on as it is and must not change afterwards.
 */
export class FrameWriter {
  readonly #lane: number;
  readonly #send: (bytes: Uint8Array) => void;
  #slab = new Uint8Array(0);
  /** Slab bytes from `#start` to `#end` are written and not sent. */
  #start = 0;
  #end = 0;
  #sequence = 0;

  /** @param send takes ownership of the bytes */
  constructor(lane: Lane, send: (bytes: Uint8Array) => void) {
    this.#lane = LANES.indexOf(lane);
    this.#send = send;
  }

  /** Bytes gathered and not yet handed to `send`. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /** Sequence of the last frame; 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Adds a frame. @throws {EasynetError} FRAME_TOO_LARGE when its body exceeds 1 MiB; INVALID_ARGUMENT */
  append(frame: FrameInput): void {
    const { body } = frame;
    if (body.length > FRAME_BYTES_MAX) {
      throw new EasynetError("FRAME_TOO_LARGE", { bytes: body.length, bytesMax: FRAME_BYTES_MAX });
    }
    if (!Number.isInteger(frame.type) || frame.type < 1 || frame.type > 255 || this.#sequence === SEQUENCE_MAX) {
      throw new EasynetError("INVALID_ARGUMENT", { subject: "A frame", reason: `type ${frame.type} is not 1 to 255` });
    }
    const copied = body.length <= FLUSH_BYTES;
    this.#reserve(FRAME_HEADER_BYTES + (copied ? body.length : 0));
    writeHeader(this.#slab, frame, { offset: this.#end, lane: this.#lane, sequence: ++this.#sequence });
    this.#end += FRAME_HEADER_BYTES;
    if (copied) {
      this.#slab.set(body, this.#end);
      this.#end += body.length;
      if (this.pendingBytes >= FLUSH_BYTES) this.flush();
    } else {
      this.flush();
      this.#send(body);
    }
  }

  /** Hands everything that was gathered to `send`. */
  flush(): void {
    if (this.#end === this.#start) return;
    const bytes = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    this.#send(bytes);
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#slab.length) return;
    this.flush();
    // What was sent still belongs to the stream: a new slab, never the old one again. No zeroes: all of it is written
    // before any of it is sent.
    this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#start = 0;
    this.#end = 0;
  }
}
