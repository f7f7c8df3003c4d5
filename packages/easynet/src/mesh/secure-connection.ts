import type { Duplex } from "node:stream";
import { connect, type SecureContext, TLSSocket } from "node:tls";
import type { Did } from "../identity/index.ts";
import { EasynetError, type Logger } from "../kernel/index.ts";
import type { FabricConnection, LaneStream } from "./fabric.ts";
import type { LaneMuxer } from "./lane-muxer.ts";
import { readCertificate } from "./libp2p-certificate.ts";

/** As on a TCP socket (docs/protocol/transport.md): lanes straight on the TLS stream. */
const LANES_PROTOCOL = "/easynet/lanes/1";
/** Lanes that wait for a handler; one more is refused. */
const WAITING_LANES_COUNT_MAX = 8;

export interface SecureOptions {
  readonly stream: Duplex;
  readonly direction: "inbound" | "outbound";
  /** With this node's certificate. */
  readonly context: SecureContext;
  readonly signal: AbortSignal;
  /** Wall clock. */
  readonly nowMs: number;
}

/** TLS 1.3 inside a stream, with the certificates of ordinary links; resolves with the key that the far end proved. */
export async function secureStream(options: SecureOptions): Promise<{ socket: TLSSocket; remote: Did }> {
  const { stream, direction, context: secureContext, signal, nowMs } = options;
  const socket =
    direction === "outbound"
      ? connect({ socket: stream, secureContext, rejectUnauthorized: false, ALPNProtocols: [LANES_PROTOCOL] })
      : new TLSSocket(stream, {
          isServer: true,
          secureContext,
          requestCert: true,
          rejectUnauthorized: false,
          ALPNProtocols: [LANES_PROTOCOL],
        });
  // Stays for the life of the socket: an error that nobody listens to would end the process.
  socket.on("error", () => undefined);
  socket.on("close", () => stream.destroy());
  stream.on("error", (error) => socket.destroy(error));
  stream.on("close", () => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secure", resolve);
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("the connection closed during the TLS handshake")));
      const onAbort = (): void => reject(new Error("timeout during the TLS handshake"));
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    });
    const certificate = socket.getPeerX509Certificate();
    if (!certificate) throw new Error("the other end showed no certificate");
    if (socket.alpnProtocol !== LANES_PROTOCOL) throw new Error("the other end does not know lanes");
    return { socket, remote: readCertificate(certificate.raw, nowMs) };
  } catch (error) {
    socket.destroy();
    stream.destroy();
    throw error;
  }
}

/** Where a connection leads, and how. */
type Course = Pick<FabricConnection, "remote" | "remoteAddress" | "localHost" | "via" | "once" | "direction">;

export interface SecureConnectionOptions extends Course {
  readonly socket: TLSSocket;
  readonly muxer: LaneMuxer;
  readonly logger: Logger;
}

/** A connection over a stream that is not libp2p's: a circuit, a WebSocket. Like any other to the mesh. */
export class SecureConnection implements FabricConnection {
  readonly remote: Did;
  readonly remoteAddress: string;
  readonly localHost: string | undefined;
  readonly via: Did | undefined;
  readonly once: boolean;
  readonly direction: "inbound" | "outbound";
  readonly #socket: TLSSocket;
  readonly #muxer: LaneMuxer;
  readonly #logger: Logger;
  #waiting: { readonly lane: string; readonly stream: LaneStream }[] = [];
  #onLane: ((lane: string, stream: LaneStream) => void) | undefined;
  #onClose: ((error?: Error) => void) | undefined;
  #closed: { readonly error: Error | undefined } | undefined;

  constructor(options: SecureConnectionOptions) {
    this.remote = options.remote;
    this.remoteAddress = options.remoteAddress;
    this.localHost = options.localHost;
    this.via = options.via;
    this.once = options.once ?? false;
    this.direction = options.direction;
    this.#socket = options.socket;
    this.#muxer = options.muxer;
    this.#logger = options.logger;
    let failure: Error | undefined;
    this.#socket.on("error", (error) => {
      failure = error;
    });
    this.#socket.on("close", () => this.#finish(failure));
    this.#muxer.start({
      onLane: (lane, stream) => this.#arrive(lane, stream),
      onBroken: (error) => this.abort(error),
    });
  }

  async openLane(lane: string): Promise<LaneStream> {
    if (this.#closed) {
      throw new EasynetError("LINK_CLOSED", { peer: this.remote, reason: "the connection is closed" });
    }
    return this.#muxer.open(lane);
  }

  onLane(handler: (lane: string, stream: LaneStream) => void): void {
    this.#onLane = handler;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { lane, stream } of waiting) this.#arrive(lane, stream);
  }

  onClose(handler: (error?: Error) => void): void {
    this.#onClose = handler;
    if (this.#closed) this.#tellClosed(this.#closed.error);
  }

  async close(): Promise<void> {
    if (!this.#closed) await this.#muxer.close();
  }

  abort(reason: Error): void {
    if (!this.#closed) this.#socket.destroy(reason);
  }

  #arrive(lane: string, stream: LaneStream): void {
    if (!this.#onLane) {
      if (this.#waiting.length < WAITING_LANES_COUNT_MAX) this.#waiting.push({ lane, stream });
      else stream.abort(new Error("too many lanes wait for a handler"));
      return;
    }
    try {
      this.#onLane(lane, stream);
    } catch (error) {
      this.#logger.error("lane handler failed", { lane, error });
      stream.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #finish(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = { error };
    this.#tellClosed(error);
  }

  #tellClosed(error: Error | undefined): void {
    const handler = this.#onClose;
    this.#onClose = undefined;
    try {
      handler?.(error);
    } catch (failure) {
      this.#logger.error("close handler failed", { peer: this.remote, error: failure });
    }
  }
}
