import type { Duplex } from "node:stream";
import type { LaneStream } from "./fabric.ts";
import {
  LANE_FRAME,
  LANE_FRAME_HEADER_BYTES,
  type LaneFrameHeader,
  LaneFrameReader,
  writeLaneHeader,
} from "./lane-frames.ts";
import type { SocketReads } from "./socket-reads.ts";
import { asError, type LaneOwner, MuxedLane } from "./muxed-lane.ts";

/** A more urgent lane waits for at most one such write of another. */
const WRITE_BYTES_MAX = 64 * 1024;
/** Smaller writes come from Node's own pool, which costs nothing to collect. */
const SMALL_WRITE_BYTES_MAX = 2048;
/** Write buffers kept for reuse, 64 KiB each; more are left to the garbage collector. */
const SPARE_BUFFERS_COUNT_MAX = 16;
/** Lanes that one end may have open at a time; one more is reset. */
const LANES_COUNT_MAX = 16;
const REASON_BYTES_MAX = 200;

/** Write buffers of all connections: a fresh one for each write would keep the garbage collector busy. */
export class WriteBuffers {
  readonly #spare: Buffer[] = [];

  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(LANE_FRAME_HEADER_BYTES + WRITE_BYTES_MAX);
  }

  give(buffer: Buffer): void {
    if (this.#spare.length < SPARE_BUFFERS_COUNT_MAX) this.#spare.push(buffer);
  }
}

export interface LaneMuxerOptions {
  /** Authenticated and encrypted; paused until `start`. */
  readonly socket: Duplex;
  readonly buffers: WriteBuffers;
  readonly reads: SocketReads;
  /** The dialling end numbers its lanes 1, 3, 5…, the other 2, 4, 6…. */
  readonly direction: "inbound" | "outbound";
  /** 0 = most urgent: written first. */
  readonly urgencyOf: (lane: string) => number;
}

export interface LaneMuxerHandlers {
  /** Called synchronously, before any byte of the lane is read. */
  readonly onLane: (lane: string, stream: LaneStream) => void;
  /** The other end broke the protocol; the connection is to be dropped. */
  readonly onBroken: (error: Error) => void;
}

/**
 * The lanes of one connection on its socket: a few bytes before each piece, the most urgent lane first, one write per
 * piece. There are no windows as in yamux, because a lane hands every byte on at once, and the link above grants
 * credits for what was consumed.
 */
export class LaneMuxer implements LaneOwner {
  readonly #options: LaneMuxerOptions;
  readonly #socket: Duplex;
  readonly #lanes = new Map<number, MuxedLane>();
  /** Open lanes, most urgent first. */
  #ordered: MuxedLane[] = [];
  #nextId: number;
  /** One write at a time: what comes meanwhile is joined and sorted by urgency here, not queued in the socket. */
  #writesOpen = 0;
  #flushing = false;
  #started = false;
  #ended = false;
  #handlers: LaneMuxerHandlers | undefined;

  constructor(options: LaneMuxerOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#nextId = options.direction === "outbound" ? 1 : 2;
    let failure: Error | undefined;
    this.#socket.on("error", (error) => {
      failure = error;
    });
    this.#socket.on("close", () => this.end(failure));
  }

  /** Address of this machine that the socket is bound to; undefined for streams that have none. */
  get localHost(): string | undefined {
    const host: unknown = Reflect.get(this.#socket, "localAddress");
    return typeof host === "string" ? host.replace(/^::ffff:/, "") : undefined;
  }

  /** Begins to read. */
  start(handlers: LaneMuxerHandlers): void {
    if (this.#started) return;
    this.#started = true;
    this.#handlers = handlers;
    const reader = new LaneFrameReader({
      onData: (id, chunk) => this.#lanes.get(id)?.receive(chunk),
      onControl: (type, id, body) => this.#onControl(type, id, body),
    });
    this.#options.reads.start(this.#socket, (chunk) => {
      if (this.#ended) return;
      try {
        reader.push(chunk);
      } catch (error) {
        handlers.onBroken(asError(error));
      }
    });
  }

  open(name: string): LaneStream {
    if (this.#ended) throw new Error("the connection is closed");
    const id = this.#nextId;
    this.#nextId += 2;
    const lane = this.#add(id, name);
    this.#writeControl(LANE_FRAME.open, id, Buffer.from(name));
    return lane;
  }

  /** Writes what is queued, then ends the socket; resolves when it is closed. */
  async close(): Promise<void> {
    await Promise.all(this.#ordered.map((lane) => lane.close()));
    if (this.#ended) return;
    await new Promise<void>((resolve) => {
      this.#socket.once("close", resolve);
      this.#socket.end();
    });
  }

  /** Every lane is over, with `error` if there was one. The socket is left alone. */
  end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const lanes = this.#ordered;
    this.#ordered = [];
    this.#lanes.clear();
    for (const lane of lanes) lane.finish(error);
  }

  tryWrite(lane: MuxedLane, bytes: Uint8Array): boolean {
    if (this.#writesOpen > 0 || this.#flushing || bytes.length > WRITE_BYTES_MAX) return false;
    const buffer = this.#bufferFor(bytes.length);
    buffer.set(bytes, LANE_FRAME_HEADER_BYTES);
    this.#write(buffer, { type: LANE_FRAME.data, length: bytes.length, id: lane.id });
    return true;
  }

  wake(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      while (this.#writesOpen === 0 && !this.#ended && this.#writeNext());
    } finally {
      this.#flushing = false;
    }
  }

  reset(lane: MuxedLane, reason: Error): void {
    const text = Buffer.from(reason.message).subarray(0, REASON_BYTES_MAX);
    if (!this.#ended) this.#writeControl(LANE_FRAME.reset, lane.id, text);
    this.#remove(lane, reason);
  }

  /** Writes one piece of the most urgent lane that has one, or an end; false when there is nothing to write. */
  #writeNext(): boolean {
    for (const lane of this.#ordered) {
      if (lane.bufferedBytes > 0) {
        const buffer = this.#bufferFor(lane.bufferedBytes);
        const length = lane.takeInto(buffer.subarray(LANE_FRAME_HEADER_BYTES));
        this.#write(buffer, { type: LANE_FRAME.data, length, id: lane.id });
        lane.afterTake();
        return true;
      }
      if (lane.isEnding) {
        this.#writeControl(LANE_FRAME.end, lane.id, new Uint8Array(0));
        this.#remove(lane, undefined);
        return true;
      }
    }
    return false;
  }

  #bufferFor(length: number): Buffer {
    if (length <= SMALL_WRITE_BYTES_MAX) return Buffer.allocUnsafe(LANE_FRAME_HEADER_BYTES + length);
    return this.#options.buffers.take();
  }

  #writeControl(type: number, id: number, body: Uint8Array): void {
    const buffer = Buffer.allocUnsafe(LANE_FRAME_HEADER_BYTES + body.length);
    buffer.set(body, LANE_FRAME_HEADER_BYTES);
    this.#write(buffer, { type, length: body.length, id });
  }

  /** One buffer with its header: two writes would be two TLS records, and the second would wait for the first. */
  #write(buffer: Buffer, header: LaneFrameHeader): void {
    writeLaneHeader(buffer, header);
    if (!this.#socket.writable) return;
    this.#writesOpen++;
    const used = LANE_FRAME_HEADER_BYTES + header.length;
    this.#socket.write(used === buffer.length ? buffer : buffer.subarray(0, used), () => {
      if (used > LANE_FRAME_HEADER_BYTES + SMALL_WRITE_BYTES_MAX) this.#options.buffers.give(buffer);
      if (--this.#writesOpen === 0) this.wake();
    });
  }

  #onControl(type: number, id: number, body: Uint8Array): void {
    if (type === LANE_FRAME.open) {
      this.#accept(id, Buffer.from(body).toString("utf8"));
      return;
    }
    const lane = this.#lanes.get(id);
    if (lane) this.#remove(lane, type === LANE_FRAME.reset ? new Error("the other end dropped the lane") : undefined);
  }

  #accept(id: number, name: string): void {
    const isTheirs = id % 2 === (this.#options.direction === "outbound" ? 0 : 1);
    if (!isTheirs || this.#lanes.has(id)) throw new Error(`lane id ${id} may not be opened`);
    const theirs = this.#ordered.filter((lane) => lane.id % 2 === id % 2);
    if (theirs.length >= LANES_COUNT_MAX) {
      this.#writeControl(LANE_FRAME.reset, id, Buffer.from("too many lanes"));
      return;
    }
    const lane = this.#add(id, name);
    this.#handlers?.onLane(name, lane);
  }

  #add(id: number, name: string): MuxedLane {
    const lane = new MuxedLane({ owner: this, id, name, urgency: this.#options.urgencyOf(name) });
    this.#lanes.set(id, lane);
    this.#ordered = [...this.#ordered, lane].sort((left, right) => left.urgency - right.urgency);
    return lane;
  }

  #remove(lane: MuxedLane, error: Error | undefined): void {
    if (!this.#lanes.delete(lane.id)) return;
    this.#ordered = this.#ordered.filter((one) => one !== lane);
    lane.finish(error);
  }
}
