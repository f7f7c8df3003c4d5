import type { Stream } from "@libp2p/interface";
import { EasynetError } from "../kernel/index.ts";
import type { LaneStream } from "./fabric.ts";

/** `send` answers false above this; below it again, `onDrain` runs. */
export const LANE_HIGH_WATER_BYTES = 256 * 1024;
/** `send` throws above this: somebody ignored the high-water mark. */
export const LANE_BUFFERED_BYTES_MAX = 32 * 1024 * 1024;

/**
 * A libp2p stream as a lane. The waiting for drain is our own, because `Stream.onDrain()` resolves at once from its
 * second use on and a connection's drain reaches streams whose window is exhausted (libp2p 3.3.11).
 */
export class Libp2pLane implements LaneStream {
  readonly #stream: Stream;
  readonly #lane: string;
  #needsDrain = false;
  #drainCheckQueued = false;
  #closed = false;
  #closeError: Error | undefined;
  readonly #ended = Promise.withResolvers<void>();
  #onData: ((chunk: Uint8Array) => void) | undefined;
  #onDrain: (() => void) | undefined;
  #onClose: ((error?: Error) => void) | undefined;

  constructor(stream: Stream, lane: string) {
    this.#stream = stream;
    this.#lane = lane;
    stream.addEventListener("drain", () => this.#queueDrainCheck());
    stream.addEventListener("idle", () => this.#queueDrainCheck());
    // The other end closed its half: a lane is closed as a whole.
    stream.addEventListener("remoteCloseWrite", () => void this.close());
    stream.addEventListener("close", (event) => this.#finish(event.error));
  }

  /** Resolves when both ends have closed it: everything that was sent has been read. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get bufferedBytes(): number {
    return this.#stream.writeBufferLength;
  }

  send(bytes: Uint8Array): boolean {
    if (this.#closed || this.#stream.writeStatus !== "writable") {
      throw new EasynetError("LINK_CLOSED", { peer: "The peer", reason: `lane ${this.#lane} is closed` });
    }
    const buffered = this.#stream.writeBufferLength;
    if (buffered + bytes.byteLength > LANE_BUFFERED_BYTES_MAX) {
      throw new EasynetError("BACKPRESSURE", { peer: "The peer", lane: this.#lane, bytes: buffered });
    }
    // What libp2p answers is about the whole connection; the lane goes by its own buffer.
    this.#stream.send(bytes);
    if (this.#stream.writeBufferLength <= LANE_HIGH_WATER_BYTES) return true;
    this.#needsDrain = true;
    return false;
  }

  onData(handler: (chunk: Uint8Array) => void): void {
    const first = this.#onData === undefined;
    this.#onData = handler;
    // Until a message listener is there, libp2p keeps what arrives (at most its read buffer) and then hands it over.
    if (first) {
      this.#stream.addEventListener("message", (event) => this.#deliver(event.data));
    }
  }

  onDrain(handler: () => void): void {
    this.#onDrain = handler;
  }

  onClose(handler: (error?: Error) => void): void {
    this.#onClose = handler;
    if (this.#closed) this.#guard(() => handler(this.#closeError));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#stream.close();
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  abort(reason: Error): void {
    if (!this.#closed) this.#stream.abort(reason);
  }

  #deliver(data: Uint8Array | Iterable<Uint8Array>): void {
    this.#guard(() => {
      if (data instanceof Uint8Array) this.#onData?.(data);
      else for (const chunk of data) this.#onData?.(chunk);
    });
  }

  /** libp2p writes again two microtasks after the event; only then does its buffer tell the truth. */
  #queueDrainCheck(): void {
    if (!this.#needsDrain || this.#drainCheckQueued) return;
    this.#drainCheckQueued = true;
    queueMicrotask(() => queueMicrotask(() => this.#checkDrain()));
  }

  #checkDrain(): void {
    this.#drainCheckQueued = false;
    if (!this.#needsDrain || this.#closed) return;
    if (this.#stream.writeBufferLength > LANE_HIGH_WATER_BYTES) return;
    this.#needsDrain = false;
    this.#guard(() => this.#onDrain?.());
  }

  #finish(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeError = error;
    this.#ended.resolve();
    this.#guard(() => this.#onClose?.(error));
  }

  /** What throws inside an event listener would end the process: it ends the lane instead. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      if (!this.#closed) this.#stream.abort(reason);
    }
  }
}
