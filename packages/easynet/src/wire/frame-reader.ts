import { checkHeader, checkSequence, type Frame, FRAME_HEADER_BYTES, readUint32 } from "./frame-header.ts";
import type { Lane } from "./lanes.ts";
import { FRAME_BYTES_MAX } from "./limits.ts";

export interface FrameReaderOptions {
  readonly lane: Lane;
  /** Called for each frame before `push` returns. It may call `close`. What it throws comes out of `push`. */
  readonly onFrame: (frame: Frame) => void;
  /** Largest body, bytes. @default FRAME_BYTES_MAX */
  readonly bytesMax?: number;
}

/** A frame that spans chunks is put together in steps of this, so that a header alone never allocates its whole length. */
const ASSEMBLY_BYTES_FIRST = 64 * 1024;

/**
 * Turns the bytes of one lane into frames, whatever the sizes of the chunks. Bodies are views of the chunk or of a
 * buffer that the next frame reuses: valid only until `onFrame` returns.
 */
export class FrameReader {
  /** May be raised once the peer is admitted. */
  bytesMax: number;
  readonly #lane: Lane;
  readonly #onFrame: (frame: Frame) => void;
  #last = 0;
  #closed = false;
  #error: unknown;
  /** Start of a frame whose end has not arrived: the first `#held` bytes. */
  #assembly = new Uint8Array(0);
  #held = 0;

  constructor(options: FrameReaderOptions) {
    this.#lane = options.lane;
    this.#onFrame = options.onFrame;
    this.bytesMax = options.bytesMax ?? FRAME_BYTES_MAX;
  }

  /** Bytes kept for a frame that is not complete. */
  get heldBytes(): number {
    return this.#held;
  }

  /** No more frames, also not from the chunk that is being read; what is pushed later is dropped. */
  close(): void {
    this.#closed = true;
    this.#assembly = new Uint8Array(0);
    this.#held = 0;
  }

  /**
   * Reads a chunk. After an error every further push throws it again: the stream has lost its place.
   * @throws {EasynetError} FRAME_MALFORMED, FRAME_TOO_LARGE, FRAME_REPLAYED
   */
  push(chunk: Uint8Array): void {
    if (this.#error !== undefined) throw this.#error;
    try {
      let offset = this.#held > 0 ? this.#complete(chunk) : 0;
      while (!this.#closed && chunk.length - offset >= FRAME_HEADER_BYTES) {
        const length = checkHeader(chunk, offset, { lane: this.#lane, bytesMax: this.bytesMax });
        const sequence = checkSequence(chunk, offset, this.#last);
        if (chunk.length - offset < FRAME_HEADER_BYTES + length) break;
        this.#deliver(chunk, offset, sequence);
        offset += FRAME_HEADER_BYTES + length;
      }
      if (!this.#closed && offset < chunk.length) this.#hold(chunk.subarray(offset));
    } catch (error) {
      this.#error = error;
      this.close();
      throw error;
    }
  }

  /** Adds to the held start of a frame; delivers it when it is whole. Returns how much of the chunk it took. */
  #complete(chunk: Uint8Array): number {
    let taken = 0;
    if (this.#held < FRAME_HEADER_BYTES) {
      taken = Math.min(FRAME_HEADER_BYTES - this.#held, chunk.length);
      this.#hold(chunk.subarray(0, taken));
      if (this.#held < FRAME_HEADER_BYTES) return taken;
    }
    const length = checkHeader(this.#assembly, 0, { lane: this.#lane, bytesMax: this.bytesMax });
    const sequence = checkSequence(this.#assembly, 0, this.#last);
    const wanted = FRAME_HEADER_BYTES + length;
    const more = Math.min(wanted - this.#held, chunk.length - taken);
    this.#hold(chunk.subarray(taken, taken + more));
    if (this.#held < wanted) return chunk.length;
    this.#held = 0;
    this.#deliver(this.#assembly, 0, sequence);
    return taken + more;
  }

  #hold(bytes: Uint8Array): void {
    const needed = this.#held + bytes.length;
    if (needed > this.#assembly.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#assembly.length, ASSEMBLY_BYTES_FIRST));
      grown.set(this.#assembly.subarray(0, this.#held));
      this.#assembly = grown;
    }
    this.#assembly.set(bytes, this.#held);
    this.#held = needed;
  }

  #deliver(bytes: Uint8Array, offset: number, sequence: number): void {
    const start = offset + FRAME_HEADER_BYTES;
    this.#last = sequence;
    this.#onFrame({
      lane: this.#lane,
      type: bytes[offset + 4] ?? 0,
      flags: bytes[offset + 5] ?? 0,
      sequence,
      timeToLiveMs: readUint32(bytes, offset + 16),
      correlation: readUint32(bytes, offset + 20),
      body: bytes.subarray(start, start + readUint32(bytes, offset)),
    });
  }
}
