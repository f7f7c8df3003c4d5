import { Duplex } from "node:stream";
import type { RelayReason } from "./relay-frames.ts";

/** Bytes of one relay-data frame. */
const RELAY_DATA_BYTES_MAX = 32 * 1024;

export interface RelayStreamOptions {
  /** Bytes that may be under way without the other end having consumed them; both ends must agree. */
  readonly windowBytes: number;
  readonly sendData: (bytes: Uint8Array) => void;
  readonly sendCredit: (bytes: number) => void;
  /** Called once. @param told true when the other end said so itself */
  readonly onEnd: (told: boolean) => void;
}

/** One end of a circuit as a stream of bytes; TLS runs inside. */
export class RelayStream extends Duplex {
  readonly #options: RelayStreamOptions;
  #creditBytes: number;
  #waiting: { bytes: Uint8Array; readonly done: (error?: Error | null) => void } | undefined;
  #arrived: Uint8Array[] = [];
  /** Arrived and not yet given back. */
  #heldBytes = 0;
  #consumedBytes = 0;
  #wanted = false;
  #told = false;

  constructor(options: RelayStreamOptions) {
    super({ allowHalfOpen: false });
    this.#options = options;
    this.#creditBytes = options.windowBytes;
  }

  /** A relay-data frame; its bytes are copied. */
  receive(body: Uint8Array): void {
    this.#heldBytes += body.length;
    if (this.#heldBytes > this.#options.windowBytes) {
      this.destroy(new Error("the other end of the circuit ignored its window"));
      return;
    }
    this.#arrived.push(Uint8Array.from(body));
    if (this.#wanted) this.#hand();
  }

  receiveCredit(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#creditBytes > this.#options.windowBytes) this.destroy(new Error("more credit came than was used"));
    else this.#flush();
  }

  /** The other end, or the relay, ended the circuit. */
  receiveClose(reason: RelayReason): void {
    this.#told = true;
    this.destroy(reason === "ended" ? undefined : new Error(`the relay ended the circuit: ${reason}`));
  }

  override _read(): void {
    this.#wanted = true;
    this.#hand();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#waiting = { bytes: chunk, done };
    this.#flush();
  }

  override _final(done: (error?: Error | null) => void): void {
    done();
    // Everything was written; a circuit has no half-open state.
    setImmediate(() => this.destroy());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#arrived = [];
    this.#options.onEnd(this.#told);
    waiting?.done(error ?? new Error("the circuit ended"));
    done(error);
  }

  #hand(): void {
    for (let chunk = this.#arrived.shift(); chunk; chunk = this.#arrived.shift()) {
      this.#consumed(chunk.length);
      if (this.destroyed) return;
      if (!this.push(chunk)) {
        this.#wanted = false;
        return;
      }
    }
  }

  #consumed(bytes: number): void {
    this.#consumedBytes += bytes;
    if (this.#consumedBytes < this.#options.windowBytes / 4) return;
    this.#heldBytes -= this.#consumedBytes;
    const given = this.#consumedBytes;
    this.#consumedBytes = 0;
    this.#options.sendCredit(given);
  }

  #flush(): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    while (waiting.bytes.length > 0 && this.#creditBytes > 0 && !this.destroyed) {
      const length = Math.min(waiting.bytes.length, this.#creditBytes, RELAY_DATA_BYTES_MAX);
      this.#creditBytes -= length;
      // A copy: the caller may reuse its buffer, and the frame waits in the link's queue.
      this.#options.sendData(Uint8Array.from(waiting.bytes.subarray(0, length)));
      waiting.bytes = waiting.bytes.subarray(length);
    }
    if (waiting.bytes.length > 0 || this.#waiting !== waiting) return;
    this.#waiting = undefined;
    waiting.done();
  }
}
