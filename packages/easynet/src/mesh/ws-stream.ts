import { Duplex } from "node:stream";
import { WebSocket } from "ws";

/** Bytes that may wait in the socket before a write has to wait for it, and in each direction of the stream. */
const BUFFERED_BYTES_MAX = 256 * 1024;
/** Of one message that is sent. */
const SENT_BYTES_MAX = 128 * 1024;

/**
 * A WebSocket as a stream of bytes. `createWebSocketStream` of `ws` waits for the socket after each piece, which costs
 * most of the throughput under TLS, and does not end by itself when its other half has nobody to go to.
 */
export class WebSocketStream extends Duplex {
  readonly #socket: WebSocket;

  /** To be called in the turn in which the socket was made: what arrives before is handed to nobody. */
  constructor(socket: WebSocket) {
    super({ highWaterMark: BUFFERED_BYTES_MAX });
    this.#socket = socket;
    socket.on("message", (data) => {
      if (!Buffer.isBuffer(data)) this.destroy(new Error("a message came in pieces"));
      else if (!this.push(data)) socket.pause();
    });
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.push(null));
    // All that came has been read.
    this.on("end", () => this.destroy());
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(chunk, done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#socket.readyState === WebSocket.CLOSED) {
      done();
      return;
    }
    // Everything that was written leaves before the closing handshake.
    this.#socket.once("close", () => done());
    this.#socket.close();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.terminate();
    done(error);
  }

  #send(bytes: Buffer, done: (error?: Error | null) => void): void {
    if (this.#socket.readyState !== WebSocket.OPEN) {
      done(new Error("the WebSocket is closed"));
      return;
    }
    for (let at = 0; at < bytes.length; at += SENT_BYTES_MAX) {
      const isLast = at + SENT_BYTES_MAX >= bytes.length;
      const mustWait = isLast && this.#socket.bufferedAmount >= BUFFERED_BYTES_MAX;
      this.#socket.send(bytes.subarray(at, at + SENT_BYTES_MAX), mustWait ? done : undefined);
      if (isLast && !mustWait) done();
    }
  }
}
