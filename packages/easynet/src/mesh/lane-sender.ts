import { EasynetError, toEasynetError } from "../kernel/index.ts";
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameWriter, type Lane } from "../wire/index.ts";
import type { LaneStream } from "./fabric.ts";
import { LANE_HIGH_WATER_BYTES } from "./mesh-config.ts";
import type { OutgoingFrame } from "./types.ts";

export interface LaneSenderOptions {
  readonly lane: Lane;
  /** The other end, for errors. */
  readonly peer: string;
  /** Bytes that may be under way unconsumed; Infinity for control. */
  readonly windowBytes: number;
  readonly queueBytesMax: number;
  /** The stream refused bytes: the link is of no use any more. */
  readonly onFailure: (error: EasynetError) => void;
}

/**
 * Sends the frames of one lane in order. Frames wait while the stream is not open yet, is full, or the receiver has
 * not consumed enough; the queue is bounded. A lone frame leaves in the turn in which it was sent, later ones of the
 * same turn are gathered into one write.
 */
export class LaneSender {
  readonly #options: LaneSenderOptions;
  readonly #writer: FrameWriter;
  #stream: LaneStream | undefined;
  #queue: (OutgoingFrame | undefined)[] = [];
  #head = 0;
  #queuedBytes = 0;
  #creditBytes: number;
  #full = false;
  #turn: "idle" | "armed" = "idle";
  #waiters: { readonly resolve: () => void; readonly reject: (error: EasynetError) => void }[] = [];
  #closed: EasynetError | undefined;

  constructor(options: LaneSenderOptions) {
    this.#options = options;
    this.#creditBytes = options.windowBytes;
    this.#writer = new FrameWriter(options.lane, (bytes) => {
      if (this.#stream && !this.#stream.send(bytes)) this.#full = true;
    });
  }

  /** Bytes waiting here, not counting what the stream holds. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Frames sent before are written now. */
  attach(stream: LaneStream): void {
    this.#stream = stream;
    stream.onDrain(() => {
      this.#full = false;
      this.#pump();
    });
    this.#pump();
  }

  /** False above the high-water mark. @throws {EasynetError} BACKPRESSURE, FRAME_TOO_LARGE, LINK_CLOSED */
  send(frame: OutgoingFrame): boolean {
    if (this.#closed) throw this.#closed;
    const bytes = FRAME_HEADER_BYTES + frame.body.length;
    if (frame.body.length > FRAME_BYTES_MAX) {
      throw new EasynetError("FRAME_TOO_LARGE", { bytes: frame.body.length, bytesMax: FRAME_BYTES_MAX });
    }
    if (this.#stream && this.#queuedBytes === 0 && !this.#full && bytes <= this.#creditBytes) {
      this.#write(frame, bytes);
      this.#arm();
      return true;
    }
    const { queueBytesMax, peer, lane } = this.#options;
    if (this.#queuedBytes + bytes > queueBytesMax) {
      throw new EasynetError("BACKPRESSURE", { peer, lane, bytes: this.#queuedBytes });
    }
    this.#queue.push(frame);
    this.#queuedBytes += bytes;
    return this.#queuedBytes < LANE_HIGH_WATER_BYTES;
  }

  /** The receiver consumed `bytes`. @throws {EasynetError} FRAME_MALFORMED when that is more than was sent */
  credit(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#creditBytes > this.#options.windowBytes) {
      throw new EasynetError("FRAME_MALFORMED", { reason: "more window was given back than was used" });
    }
    this.#pump();
  }

  /** Resolves when less than half of the high-water mark waits. @throws {EasynetError} LINK_CLOSED */
  async drained(): Promise<void> {
    if (this.#closed) throw this.#closed;
    if (this.#queuedBytes < LANE_HIGH_WATER_BYTES) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  /** Hands what was gathered to the stream now. */
  flush(): void {
    if (this.#stream && !this.#full && !this.#closed) this.#guard(() => this.#writer.flush());
  }

  /** Drops what waits; waiters and later calls get `error`. */
  close(error: EasynetError): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#queue = [];
    this.#head = 0;
    this.#queuedBytes = 0;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
  }

  #pump(): void {
    if (!this.#stream || this.#closed) return;
    for (let frame = this.#queue[this.#head]; frame && !this.#full; frame = this.#queue[this.#head]) {
      const bytes = FRAME_HEADER_BYTES + frame.body.length;
      if (bytes > this.#creditBytes) break;
      this.#queue[this.#head++] = undefined;
      this.#queuedBytes -= bytes;
      this.#write(frame, bytes);
    }
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    this.flush();
    if (this.#queuedBytes < LANE_HIGH_WATER_BYTES / 2 && this.#waiters.length > 0) {
      const waiters = this.#waiters;
      this.#waiters = [];
      for (const waiter of waiters) waiter.resolve();
    }
  }

  #write(frame: OutgoingFrame, bytes: number): void {
    this.#creditBytes -= bytes;
    this.#guard(() => this.#writer.append(frame));
  }

  /**
   * After a quiet turn: flush at the end of the running callback. Then, as long as frames keep coming, once per turn
   * of the event loop.
   */
  #arm(): void {
    if (this.#turn === "armed" || this.#writer.pendingBytes === 0) return;
    this.#turn = "armed";
    queueMicrotask(() => {
      this.flush();
      setImmediate(() => this.#nextTurn());
    });
  }

  #nextTurn(): void {
    if (this.#writer.pendingBytes === 0 || this.#closed) {
      this.#turn = "idle";
      return;
    }
    this.flush();
    // A full stream is flushed by its drain.
    if (this.#full) this.#turn = "idle";
    else setImmediate(() => this.#nextTurn());
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#options.onFailure(toEasynetError(error));
    }
  }
}
