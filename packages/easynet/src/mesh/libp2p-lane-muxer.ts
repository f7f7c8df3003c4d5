import type { TLSSocket } from "node:tls";
import {
  type AbortOptions,
  type Connection,
  type MessageStream,
  type Stream,
  type StreamMuxer,
  type StreamMuxerEvents,
  type StreamMuxerFactory,
  type StreamMuxerStatus,
  TypedEventEmitter,
} from "@libp2p/interface";
import { LaneMuxer, WriteBuffers } from "./lane-muxer.ts";
import { SocketReads } from "./socket-reads.ts";

/** Chosen by ALPN in the TLS handshake; a peer that does not know it gets yamux. */
export const LANE_MUXER_PROTOCOL = "/easynet/lanes/1";

/** libp2p makes the muxer; the fabric finds it by the connection that it belongs to. */
export class LaneMuxerFactory implements StreamMuxerFactory {
  readonly protocol = LANE_MUXER_PROTOCOL;
  readonly #buffers = new WriteBuffers();
  readonly #reads = new SocketReads();
  readonly #urgencyOf: (lane: string) => number;
  readonly #sockets = new WeakMap<MessageStream, TLSSocket>();
  /** A connection and what it runs on share one timeline object; libp2p 3 shows nothing else of the latter. */
  readonly #muxers = new WeakMap<object, LaneMuxer>();

  constructor(urgencyOf: (lane: string) => number) {
    this.#urgencyOf = urgencyOf;
  }

  adopt(connection: MessageStream, socket: TLSSocket): void {
    this.#sockets.set(connection, socket);
  }

  createStreamMuxer(connection: MessageStream): StreamMuxer {
    const socket = this.#sockets.get(connection);
    if (!socket) throw new Error("lanes need a TLS socket of their own");
    const { direction } = connection;
    const muxer = new LaneMuxer({
      socket,
      buffers: this.#buffers,
      reads: this.#reads,
      direction,
      urgencyOf: this.#urgencyOf,
    });
    this.#muxers.set(connection.timeline, muxer);
    return new Libp2pLaneMuxer(muxer);
  }

  /** Undefined for a connection that runs on another muxer. */
  muxerOf(connection: Connection): LaneMuxer | undefined {
    return this.#muxers.get(connection.timeline);
  }
}

/** What libp2p sees of it: it can be closed. Lanes are opened by the fabric, without a negotiation for each. */
class Libp2pLaneMuxer extends TypedEventEmitter<StreamMuxerEvents> implements StreamMuxer {
  readonly protocol = LANE_MUXER_PROTOCOL;
  readonly streams: Stream[] = [];
  status: StreamMuxerStatus = "open";
  readonly #muxer: LaneMuxer;

  constructor(muxer: LaneMuxer) {
    super();
    this.#muxer = muxer;
  }

  createStream(): Promise<Stream> {
    return Promise.reject(new Error("a connection of lanes carries no other protocols"));
  }

  abort(error: Error): void {
    this.status = "closed";
    this.#muxer.end(error);
  }

  async close(options: AbortOptions = {}): Promise<void> {
    if (this.status !== "open") return;
    this.status = "closing";
    const { signal } = options;
    const aborted = new Promise<void>((resolve) => {
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.race([this.#muxer.close(), aborted]);
    this.status = "closed";
  }
}
