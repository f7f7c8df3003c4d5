import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { type Clock, EasynetError, type Timer } from "../kernel/index.ts";
import { LOCAL_CLOSE_CODES, LOCAL_LIMITS, type NodeMessage } from "../node/index.ts";
import { CONGESTION_TIMEOUT_MS, SEND_BUFFER_BYTES_MAX } from "./limits.ts";
import type { MessageFormat } from "./message-format.ts";

export interface SocketWriterOptions {
  readonly socket: WebSocket;
  /** The stream below the WebSocket. */
  readonly raw: Duplex;
  readonly format: MessageFormat;
  readonly clock: Clock;
  /** The send buffer is over its limit; called once until it is half empty again. */
  readonly onCongested: () => void;
}

/** Writes messages to one process, many per system call, and watches how far behind the process is. */
export class SocketWriter {
  readonly #options: SocketWriterOptions;
  #corked = false;
  #congestion: Timer | undefined;

  constructor(options: SocketWriterOptions) {
    this.#options = options;
  }

  /** True while more waits than the send buffer may hold; calls and invocations are refused then. */
  get congested(): boolean {
    return this.#congestion !== undefined;
  }

  get bufferedBytes(): number {
    return this.#options.socket.bufferedAmount;
  }

  /** Sends nothing when the connection is closed. @throws {EasynetError} FRAME_TOO_LARGE above one message's limit */
  send(message: NodeMessage): void {
    const { socket, format } = this.#options;
    if (socket.readyState !== socket.OPEN) return;
    const encoded = format.encode(message);
    if (encoded.length > LOCAL_LIMITS.messageBytesMax) {
      const { messageBytesMax: bytesMax } = LOCAL_LIMITS;
      throw new EasynetError("FRAME_TOO_LARGE", { bytes: encoded.length, bytesMax });
    }
    this.#cork();
    socket.send(encoded);
    if (socket.bufferedAmount > SEND_BUFFER_BYTES_MAX) this.#congest();
  }

  /** Everything sent in one turn of the event loop leaves in one write. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    const { raw } = this.#options;
    raw.cork();
    setImmediate(() => {
      this.#corked = false;
      raw.uncork();
    });
  }

  #congest(): void {
    if (this.#congestion) return;
    const { socket, raw, clock, onCongested } = this.#options;
    const relax = (): void => {
      if (socket.bufferedAmount > SEND_BUFFER_BYTES_MAX / 2) {
        raw.once("drain", relax);
        return;
      }
      this.#congestion?.cancel();
      this.#congestion = undefined;
    };
    this.#congestion = clock.setTimer(CONGESTION_TIMEOUT_MS, () => {
      socket.close(LOCAL_CLOSE_CODES.tooSlow, "read too slowly");
      socket.terminate();
    });
    raw.once("drain", relax);
    onCongested();
  }

  dispose(): void {
    this.#congestion?.cancel();
  }
}
