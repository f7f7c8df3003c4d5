import { Socket } from "node:net";
import { connect, createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type {
  ConnectionEncrypter,
  MessageStream,
  PeerId,
  SecureConnectionOptions,
  SecuredConnection,
  StreamMuxerFactory,
} from "@libp2p/interface";
import type { Did, KeyPair } from "../identity/index.ts";
import type { Clock } from "../kernel/index.ts";
import { issueCertificate, readCertificate } from "./libp2p-certificate.ts";
import { peerIdFromDid } from "./libp2p-address.ts";

const PROTOCOL = "/tls/1.0.0";
/** ALPN of a peer that negotiates its muxer afterwards. */
const NO_EARLY_MUXER = "libp2p";
/** Bytes that the socket takes before it wants to drain: more would wait before an urgent lane. Not in Node's types. */
const SOCKET_TUNING = { highWaterMark: 128 * 1024 };

export interface SocketTlsOptions {
  readonly keyPair: KeyPair;
  readonly clock: Clock;
  readonly muxers: () => ReadonlyMap<string, StreamMuxerFactory>;
  readonly toPeerId: (peerId: string) => PeerId;
  /** Muxer that works on the TLS socket itself; it gets it from `adopt`. */
  readonly socketMuxer: StreamMuxerFactory & { adopt(connection: MessageStream, socket: TLSSocket): void };
}

/**
 * libp2p's TLS 1.3 on the TCP socket itself. `@libp2p/tls` runs it over a Duplex written in JavaScript, which costs
 * twice the round trip and three times the CPU of a message; on the wire both are the same.
 */
export class SocketTls implements ConnectionEncrypter {
  readonly protocol = PROTOCOL;
  readonly #options: SocketTlsOptions;
  readonly #context: SecureContext;

  constructor(options: SocketTlsOptions) {
    this.#options = options;
    const version = { minVersion: "TLSv1.3", maxVersion: "TLSv1.3" } as const;
    this.#context = createSecureContext({ ...issueCertificate(options.keyPair), ...version });
  }

  secureInbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    // No await before the TLS socket takes over: bytes that arrive in between would be lost.
    const socket = new TLSSocket(socketOf(connection), {
      isServer: true,
      secureContext: this.#context,
      requestCert: true,
      rejectUnauthorized: false,
      ...SOCKET_TUNING,
      ALPNCallback: ({ protocols }) => this.#alpn().find((known) => protocols.includes(known)),
    });
    return this.#handshake(connection, socket, options);
  }

  secureOutbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    const socket = connect({
      socket: socketOf(connection),
      secureContext: this.#context,
      rejectUnauthorized: false,
      ...SOCKET_TUNING,
      ALPNProtocols: this.#alpn(),
    });
    return this.#handshake(connection, socket, options);
  }

  #alpn(): string[] {
    return [...this.#options.muxers().keys(), NO_EARLY_MUXER];
  }

  async #handshake(
    connection: MessageStream,
    socket: TLSSocket,
    options: SecureConnectionOptions | undefined,
  ): Promise<SecuredConnection> {
    // Stays for the life of the socket: an error nobody listens to would end the process.
    socket.on("error", (error) => connection.abort(error));
    try {
      await secured(connection, socket, options?.signal);
      const remotePeer = this.#verify(socket, options?.remotePeer);
      const streamMuxer = this.#options.muxers().get(socket.alpnProtocol || NO_EARLY_MUXER);
      if (streamMuxer === this.#options.socketMuxer) {
        this.#options.socketMuxer.adopt(connection, socket);
        return { connection, remotePeer, streamMuxer };
      }
      const { toMessageStream } = await import("@libp2p/tls/utils");
      const stream = toMessageStream(connection, socket);
      return { connection: stream, remotePeer, ...(streamMuxer && { streamMuxer }) };
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  #verify(socket: TLSSocket, expected: PeerId | undefined): PeerId {
    const certificate = socket.getPeerX509Certificate();
    if (!certificate) throw new Error("the other end showed no certificate");
    const did: Did = readCertificate(certificate.raw, this.#options.clock.nowMs());
    const remotePeer = this.#options.toPeerId(peerIdFromDid(did));
    if (expected && !expected.equals(remotePeer)) throw new Error("Unexpected peer");
    return remotePeer;
  }
}

function secured(connection: MessageStream, socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error?: Error): void => reject(error ?? new Error("closed during the TLS handshake"));
    socket.once("secure", resolve);
    socket.once("error", fail);
    socket.once("close", () => fail());
    connection.addEventListener("close", (event) => fail(event.error), { once: true });
    signal?.addEventListener("abort", () => fail(new Error("timeout during the TLS handshake")), { once: true });
  });
}

/** The TCP socket under a connection of `@libp2p/tcp` 11. */
function socketOf(connection: MessageStream): Socket {
  if ("socket" in connection && connection.socket instanceof Socket && connection.readBufferLength === 0) {
    return connection.socket;
  }
  throw new Error("this connection does not run on a TCP socket of its own");
}
