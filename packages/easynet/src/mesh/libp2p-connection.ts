import type { Connection, Stream } from "@libp2p/interface";
import type { Did } from "../identity/index.ts";
import { EasynetError, type Logger } from "../kernel/index.ts";
import type { FabricConnection, LaneStream } from "./fabric.ts";
import type { LaneMuxer } from "./lane-muxer.ts";
import { Libp2pLane } from "./libp2p-lane.ts";

/** Lanes that wait for a handler; one more is refused. */
const WAITING_LANES_COUNT_MAX = 8;
const CLOSE_TIMEOUT_MS = 1000;

export interface Libp2pConnectionOptions {
  readonly connection: Connection;
  readonly remote: Did;
  /** Lane name to protocol; undefined for a lane that this node does not know. */
  readonly protocolOf: (lane: string) => string | undefined;
  /** Undefined when libp2p's own muxer carries the lanes. */
  readonly muxer: LaneMuxer | undefined;
  readonly logger: Logger;
}

/** A libp2p connection as the mesh sees it. */
export class Libp2pConnection implements FabricConnection {
  readonly remote: Did;
  readonly remoteAddress: string;
  readonly localHost: string | undefined;
  readonly direction: "inbound" | "outbound";
  readonly #connection: Connection;
  readonly #options: Libp2pConnectionOptions;
  #waiting: { readonly lane: string; readonly stream: LaneStream }[] = [];
  #onLane: ((lane: string, stream: LaneStream) => void) | undefined;
  #onClose: ((error?: Error) => void) | undefined;
  /** Those that libp2p's muxer carries, while they are open. */
  readonly #lanes = new Set<Libp2pLane>();
  #closed = false;
  #closeError: Error | undefined;

  constructor(options: Libp2pConnectionOptions) {
    const { connection } = options;
    this.#options = options;
    this.#connection = connection;
    this.remote = options.remote;
    this.remoteAddress = connection.remoteAddr.toString();
    this.localHost = options.muxer?.localHost;
    this.direction = connection.direction;
    connection.addEventListener("close", (event) => this.#finish(event.error));
    options.muxer?.start({
      onLane: (lane, stream) => this.#arrive(lane, stream),
      onBroken: (error) => this.abort(error),
    });
  }

  /** As libp2p knows it. */
  get raw(): Connection {
    return this.#connection;
  }

  async openLane(lane: string): Promise<LaneStream> {
    const protocol = this.#options.protocolOf(lane);
    if (protocol === undefined) {
      throw new EasynetError("INVALID_ARGUMENT", { subject: `The lane ${lane}`, reason: "there is no such lane" });
    }
    try {
      if (this.#options.muxer) return this.#options.muxer.open(lane);
      return this.#wrap(await this.#connection.newStream(protocol), lane);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new EasynetError("LINK_CLOSED", { peer: this.remote, reason }, { cause: error });
    }
  }

  onLane(handler: (lane: string, stream: LaneStream) => void): void {
    this.#onLane = handler;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { lane, stream } of waiting) this.#hand(lane, stream);
  }

  onClose(handler: (error?: Error) => void): void {
    this.#onClose = handler;
    if (this.#closed) this.#tellClosed();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const signal = AbortSignal.timeout(CLOSE_TIMEOUT_MS);
    try {
      // A muxer of libp2p drops what the other end has not taken yet.
      const ended = [...this.#lanes].map(async (lane) => {
        void lane.close();
        await lane.ended;
      });
      await Promise.race([Promise.all(ended), aborted(signal)]);
      await this.#connection.close({ signal });
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  abort(reason: Error): void {
    if (this.#closed) return;
    if (this.#options.muxer) this.#connection.abort(reason);
    // Not while it is being announced: to drop a TLS socket under yamux from there ends the process (Node 26).
    else setImmediate(() => this.#connection.abort(reason));
  }

  /** Takes a stream that the other end opened; called synchronously when libp2p hands it over. */
  accept(lane: string, raw: Stream): void {
    this.#arrive(lane, this.#wrap(raw, lane));
  }

  #wrap(raw: Stream, name: string): Libp2pLane {
    const lane = new Libp2pLane(raw, name);
    this.#lanes.add(lane);
    void lane.ended.then(() => this.#lanes.delete(lane));
    return lane;
  }

  #arrive(lane: string, stream: LaneStream): void {
    if (this.#options.protocolOf(lane) === undefined) stream.abort(new Error("there is no such lane"));
    else if (this.#onLane) this.#hand(lane, stream);
    else if (this.#waiting.length < WAITING_LANES_COUNT_MAX) this.#waiting.push({ lane, stream });
    else stream.abort(new Error("too many lanes wait for a handler"));
  }

  #hand(lane: string, stream: LaneStream): void {
    try {
      this.#onLane?.(lane, stream);
    } catch (error) {
      this.#options.logger.error("lane handler failed", { lane, error });
      stream.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #finish(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeError = error;
    this.#tellClosed();
  }

  #tellClosed(): void {
    const handler = this.#onClose;
    this.#onClose = undefined;
    try {
      handler?.(this.#closeError);
    } catch (error) {
      this.#options.logger.error("close handler failed", { peer: this.remote, error });
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
