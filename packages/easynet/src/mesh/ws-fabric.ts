import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import type { Did, KeyPair } from "../identity/index.ts";
import {
  type Clock,
  type Deadline,
  EasynetError,
  type Logger,
  type Metrics,
  startDeadline,
  systemClock,
} from "../kernel/index.ts";
import type { Fabric, FabricConnection } from "./fabric.ts";
import { advertisedAddresses, formatAddress, type NodeAddress, parseAddress } from "./libp2p-address.ts";
import { dialError, listenError } from "./libp2p-errors.ts";
import { StreamSecurity } from "./stream-security.ts";
import { WebSocketStream } from "./ws-stream.ts";

/** Dialled on every host, so that a web server may pass on this path alone; a listening node takes any path. */
const PATH = "/easynet";
/** From the first byte to the proof of both keys, ms. */
const DIAL_TIMEOUT_MS = 4000;
/** Accepted connections whose keys are not proved yet; a further one is dropped. */
const PENDING_COUNT_MAX = 64;
/** TCP connections of a listening address, WebSocket or not; a further one is closed at once. */
const CONNECTIONS_COUNT_MAX = 1000;
/** We send at most 128 KiB in one; a larger message ends the connection. */
const MESSAGE_BYTES_MAX = 256 * 1024;
/** Who does not finish its request in time is dropped. */
const HTTP_OPTIONS = { headersTimeout: DIAL_TIMEOUT_MS, requestTimeout: DIAL_TIMEOUT_MS };
const SOCKET_OPTIONS = { maxPayload: MESSAGE_BYTES_MAX, perMessageDeflate: false };

export interface WebSocketFabricOptions {
  readonly keyPair: KeyPair;
  /** `/ip4/127.0.0.1/tcp/7442/ws`; port 0 = any free one; empty = only dial. */
  readonly listenAddresses: readonly string[];
  /** @default systemClock */
  readonly clock?: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Connections over WebSocket (RFC 6455), for networks that let nothing else through and for nodes behind a web server.
 * Inside the binary messages both nodes speak TLS 1.3 with their own keys, as in a circuit, so that a server in the
 * middle sees ciphertext (docs/protocol/transport.md).
 */
export class WebSocketFabric implements Fabric {
  readonly self: Did;
  readonly #options: WebSocketFabricOptions;
  readonly #clock: Clock;
  readonly #security: StreamSecurity;
  readonly #servers: { readonly server: Server; readonly address: NodeAddress }[] = [];
  /** All that are not closed, whoever dialled. */
  readonly #sockets = new Set<WebSocket>();
  #pendingCount = 0;
  #stopped = false;
  #onConnection: ((connection: FabricConnection) => void) | undefined;

  constructor(options: WebSocketFabricOptions) {
    this.self = options.keyPair.did;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#security = new StreamSecurity({ ...options, clock: this.#clock });
  }

  async start(): Promise<void> {
    for (const text of this.#options.listenAddresses) {
      const address = parseAddress(text);
      const server = createServer(HTTP_OPTIONS, (_, response) => void response.writeHead(426).end());
      server.maxConnections = CONNECTIONS_COUNT_MAX;
      server.listen({ host: address.host, port: address.port });
      try {
        await once(server, "listening");
      } catch (error) {
        throw listenError([text], error);
      }
      server.on("error", (error) => this.#options.logger.warn("web server failed", { address: text, error }));
      const sockets = new WebSocketServer({ server, ...SOCKET_OPTIONS });
      sockets.on("connection", (socket, request) => void this.#accept(socket, request));
      const bound = server.address();
      const port = typeof bound === "object" && bound ? bound.port : address.port;
      this.#servers.push({ server, address: { ...address, port, did: this.self } });
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const socket of this.#sockets) socket.terminate();
    const servers = this.#servers.splice(0).map(({ server }) => server);
    for (const server of servers) server.closeAllConnections();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  addresses(): readonly string[] {
    return advertisedAddresses(this.#servers.map(({ address }) => address)).map((address) => formatAddress(address));
  }

  async dial(text: string, options: { readonly signal?: AbortSignal } = {}): Promise<FabricConnection> {
    const address = parseAddress(text);
    using deadline = this.#deadline(`The dial to ${text}`, options.signal);
    try {
      const connection = await this.#connect(address, deadline.signal);
      this.#options.metrics.count("easynet_fabric_dials_total", { result: "ok" });
      return connection;
    } catch (error) {
      this.#options.metrics.count("easynet_fabric_dials_total", { result: "failed" });
      throw dialError(text, error);
    }
  }

  onConnection(handler: (connection: FabricConnection) => void): void {
    this.#onConnection = handler;
  }

  async #connect(address: NodeAddress, signal: AbortSignal): Promise<FabricConnection> {
    if (this.#stopped) throw new EasynetError("NODE_STOPPING", {});
    signal.throwIfAborted();
    const socket = new WebSocket(urlOf(address), { ...SOCKET_OPTIONS, generateMask: noMask });
    const stream = this.#open(socket);
    try {
      const [response]: IncomingMessage[] = await once(socket, "upgrade", { signal });
      const connection = await this.#security.secure({
        stream,
        direction: "outbound",
        signal,
        addressOf: (remote) => formatAddress({ ...address, did: remote }),
        localHost: response?.socket.localAddress,
      });
      if (address.did === undefined || address.did === connection.remote) {
        this.#options.metrics.count("easynet_fabric_connections_total", { direction: "outbound" });
        return connection;
      }
      connection.abort(new Error("Unexpected peer"));
      throw new Error("Unexpected peer");
    } catch (error) {
      socket.terminate();
      throw error;
    }
  }

  async #accept(socket: WebSocket, request: IncomingMessage): Promise<void> {
    const stream = this.#open(socket);
    if (this.#stopped || this.#pendingCount >= PENDING_COUNT_MAX) {
      socket.terminate();
      return;
    }
    const { localAddress: localHost } = request.socket;
    const from = originOf(request);
    using deadline = this.#deadline("A connection", undefined);
    this.#pendingCount++;
    try {
      const { signal } = deadline;
      const addressOf = (): string => from;
      this.#announce(await this.#security.secure({ stream, direction: "inbound", signal, addressOf, localHost }));
    } catch (error) {
      this.#options.logger.debug("WebSocket refused", { from, error });
      socket.terminate();
    } finally {
      this.#pendingCount--;
    }
  }

  /** To be called in the turn in which the socket was made. */
  #open(socket: WebSocket): WebSocketStream {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    const stream = new WebSocketStream(socket);
    // An error that nobody listens to would end the process; whoever uses the stream gets it too.
    stream.on("error", () => undefined);
    return stream;
  }

  #announce(connection: FabricConnection): void {
    const { logger, metrics } = this.#options;
    metrics.count("easynet_fabric_connections_total", { direction: "inbound" });
    if (!this.#onConnection) {
      connection.abort(new Error("nobody accepts connections"));
      return;
    }
    try {
      this.#onConnection(connection);
    } catch (error) {
      logger.error("connection handler failed", { peer: connection.remote, error });
      connection.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #deadline(subject: string, signal: AbortSignal | undefined): Deadline {
    return startDeadline({ clock: this.#clock, subject, timeoutMs: DIAL_TIMEOUT_MS, signal });
  }
}

/**
 * Masks keep scripts in browsers from choosing the bytes that a server in the middle sees (RFC 6455, section 10.3).
 * Ours are TLS, which nobody chooses, and masking them costs half the CPU: with a mask of zeros both ends leave it.
 */
function noMask(mask: Buffer): void {
  mask.fill(0);
}

function urlOf({ host, protocol, transport, port }: NodeAddress): string {
  return `${transport}://${protocol === "ip6" ? `[${host}]` : host}:${port}${PATH}`;
}

/** Behind a web server this is the server's address. */
function originOf({ socket }: IncomingMessage): string {
  const host = (socket.remoteAddress ?? "0.0.0.0").replace(/^::ffff:/, "");
  const protocol = host.includes(":") ? "ip6" : "ip4";
  return formatAddress({ protocol, host, transport: "ws", port: socket.remotePort ?? 0, did: undefined });
}
