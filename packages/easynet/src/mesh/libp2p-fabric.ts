import type { ComponentLogger, Connection, Logger as Libp2pLogger } from "@libp2p/interface";
import type { Libp2p, Libp2pOptions } from "libp2p";
import type { Did, KeyPair } from "../identity/index.ts";
import { type Clock, EasynetError, type Logger, type Metrics, startDeadline, systemClock } from "../kernel/index.ts";
import { LANES } from "../wire/index.ts";
import type { Fabric, FabricConnection, Guest, Guests } from "./fabric.ts";
import { advertisedAddresses, didFromPeerId, formatAddress, parseAddress } from "./libp2p-address.ts";
import { Libp2pConnection } from "./libp2p-connection.ts";
import { dialError, listenError } from "./libp2p-errors.ts";
import { Libp2pGuests } from "./libp2p-guests.ts";
import { LANE_BUFFERED_BYTES_MAX } from "./libp2p-lane.ts";
import type { LaneMuxerFactory } from "./libp2p-lane-muxer.ts";

const DIAL_TIMEOUT_MS = 4000;
/** Links of one node; more are refused. */
const CONNECTIONS_COUNT_MAX = 1000;
/** libp2p refuses more than 5 new connections per second and host by default; a demo on one machine needs more. */
const INBOUND_PER_SECOND_AND_HOST_MAX = 200;
const INBOUND_PENDING_COUNT_MAX = 200;
/** A lane may be reopened; libp2p counts streams per protocol and direction. */
const STREAMS_PER_LANE_MAX = 4;
/** The window of a lane stays below the read buffer, so that a slow reader can never overflow it. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const STREAM_READ_BUFFER_BYTES_MAX = 4 * 1024 * 1024;
/** yamux measures its round trip with it. */
const KEEP_ALIVE_INTERVAL_MS = 15_000;

/** Native code for each platform, 7 MB: who wants QUIC installs it. `package.json` names the same version. */
const QUIC_PACKAGE: string = "@chainsafe/libp2p-quic";
const QUIC_VERSION = "2.1.1";

export interface Libp2pFabricOptions {
  readonly keyPair: KeyPair;
  /** `/ip4/0.0.0.0/tcp/7441` or `0.0.0.0:7441`; port 0 = any free one; empty = only dial. */
  readonly listenAddresses: readonly string[];
  /** QUIC needs a package that is not installed with easynet. @default "tcp" */
  readonly transport?: "tcp" | "quic";
  /**
   * What carries the lanes: ours on the TLS socket, with yamux for peers that do not know it, or yamux alone.
   * @default "lanes"
   */
  readonly muxer?: "lanes" | "yamux";
  /** Whether other programs over libp2p may connect too; see `Guests`. @default false */
  readonly guests?: boolean;
  /** @default systemClock */
  readonly clock?: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const LANE_URGENCY: ReadonlyMap<string, number> = new Map(LANES.map((lane, index) => [lane, index]));
const PROTOCOLS: ReadonlyMap<string, string> = new Map(LANES.map((lane) => [lane, `/easynet/lane/${lane}/1`]));

/**
 * libp2p over TCP with TLS 1.3 (libp2p specs, tls/tls.md), or over QUIC, which has both. libp2p is loaded here, so
 * that whoever imports the mesh without it pays nothing.
 * @throws {EasynetError} PACKAGE_MISSING for QUIC without its package
 */
export async function createLibp2pFabric(options: Libp2pFabricOptions): Promise<Fabric> {
  const listen = options.listenAddresses.map((address) => formatAddress(parseAddress(address)));
  const [
    { createLibp2p },
    transport,
    { yamux },
    { generateKeyPairFromSeed, publicKeyToProtobuf },
    { peerIdFromString },
    { multiaddr },
    own,
  ] = await Promise.all([
    import("libp2p"),
    options.transport === "quic" ? loadQuic() : loadTcp(),
    import("@libp2p/yamux"),
    import("@libp2p/crypto/keys"),
    import("@libp2p/peer-id"),
    import("@multiformats/multiaddr"),
    import("./libp2p-upgrade.ts"),
  ]);
  const lanes = new own.LaneMuxerFactory((lane) => LANE_URGENCY.get(lane) ?? LANES.length);
  const { keyPair, clock = systemClock } = options;
  const privateKey = await generateKeyPairFromSeed("Ed25519", options.keyPair.exportSeed());
  const node = await createLibp2p({
    start: false,
    privateKey,
    addresses: { listen },
    logger: quietLogger(options.logger),
    transports: [transport],
    connectionEncrypters: [
      (components) =>
        new own.SocketTls({
          keyPair,
          clock,
          muxers: () => components.upgrader.getStreamMuxers(),
          toPeerId: peerIdFromString,
          socketMuxer: lanes,
        }),
    ],
    streamMuxers: [
      ...(options.muxer === "yamux" ? [] : [() => lanes]),
      yamux({
        keepAliveInterval: KEEP_ALIVE_INTERVAL_MS,
        streamOptions: {
          maxStreamWindowSize: STREAM_WINDOW_BYTES,
          maxReadBufferLength: STREAM_READ_BUFFER_BYTES_MAX,
          maxWriteBufferLength: LANE_BUFFERED_BYTES_MAX + STREAM_WINDOW_BYTES,
        },
      }),
    ],
    connectionManager: {
      maxConnections: CONNECTIONS_COUNT_MAX,
      inboundConnectionThreshold: INBOUND_PER_SECOND_AND_HOST_MAX,
      maxIncomingPendingConnections: INBOUND_PENDING_COUNT_MAX,
      dialTimeout: DIAL_TIMEOUT_MS,
      addressDialTimeout: DIAL_TIMEOUT_MS,
      inboundUpgradeTimeout: DIAL_TIMEOUT_MS,
      reconnectRetries: 0,
    },
    connectionMonitor: { enabled: false },
  });
  const guests = options.guests === true && {
    guests: new Libp2pGuests({
      publicKey: publicKeyToProtobuf(privateKey.publicKey),
      clock,
      logger: options.logger,
      handle: (protocol, handler, limits) => node.handle(protocol, handler, limits),
    }),
  };
  return new Libp2pFabric(options, { node, parse: multiaddr, lanes, ...guests });
}

async function loadTcp(): Promise<TransportFactory> {
  const { tcp } = await import("@libp2p/tcp");
  // Idle links are the mesh's business, which pings them.
  return tcp({ inboundSocketInactivityTimeout: 0, outboundSocketInactivityTimeout: 0 });
}

async function loadQuic(): Promise<TransportFactory> {
  const loaded: unknown = await import(QUIC_PACKAGE).catch((error: unknown) => error);
  if (isQuic(loaded)) return loaded.quic();
  const details = { feature: "QUIC", package: `${QUIC_PACKAGE}@${QUIC_VERSION}` };
  throw new EasynetError("PACKAGE_MISSING", details, { cause: loaded });
}

function isQuic(value: unknown): value is { quic(): TransportFactory } {
  return typeof value === "object" && value !== null && "quic" in value && typeof value.quic === "function";
}

type TransportFactory = NonNullable<Libp2pOptions["transports"]>[number];

interface Libp2pParts {
  readonly node: Libp2p;
  readonly parse: (text: string) => Connection["remoteAddr"];
  readonly lanes: LaneMuxerFactory;
  readonly guests?: Libp2pGuests;
}

class Libp2pFabric implements Fabric {
  readonly self: Did;
  readonly guests: Guests | undefined;
  readonly #options: Libp2pFabricOptions;
  readonly #node: Libp2p;
  readonly #parts: Libp2pParts;
  readonly #clock: Clock;
  readonly #connections = new Map<string, Libp2pConnection>();
  /** The last dial that is under way to each peer; at most as many as the caller starts. */
  readonly #dialling = new Map<string, Promise<void>>();
  #onConnection: ((connection: FabricConnection) => void) | undefined;

  constructor(options: Libp2pFabricOptions, parts: Libp2pParts) {
    this.self = options.keyPair.did;
    this.#options = options;
    this.#node = parts.node;
    this.#parts = parts;
    this.#clock = options.clock ?? systemClock;
    const { guests } = parts;
    this.guests = guests && {
      handle: (protocol, handler) => guests.handle(protocol, handler),
      dial: (address, signal) => this.#dialGuest(guests, address, signal),
    };
    this.#node.addEventListener("connection:open", (event) => this.#open(event.detail));
    this.#node.addEventListener("connection:close", (event) => this.#connections.delete(event.detail.id));
  }

  async start(): Promise<void> {
    for (const [lane, protocol] of PROTOCOLS) {
      await this.#node.handle(
        protocol,
        (stream, connection) => {
          const known = this.#connections.get(connection.id);
          if (known) {
            // A yamux connection is a member's from its first lane on.
            if (this.#parts.guests?.leave(connection) === true) this.#announce(known);
            known.accept(lane, stream);
          } else stream.abort(new Error("the connection is not known"));
        },
        { maxInboundStreams: STREAMS_PER_LANE_MAX, maxOutboundStreams: STREAMS_PER_LANE_MAX },
      );
    }
    try {
      await this.#node.start();
    } catch (error) {
      throw listenError(this.#options.listenAddresses, error);
    }
  }

  async stop(): Promise<void> {
    await this.#node.stop();
  }

  addresses(): readonly string[] {
    const listening = this.#node.getMultiaddrs().map((address) => parseAddress(address.toString()));
    const wanted = this.#options.listenAddresses.map((address) => parseAddress(address));
    // libp2p has put the machine's addresses for wildcards, also loopback; only the ports are of use then.
    const ports = new Map(listening.map((address) => [address.host, address.port]));
    const concrete = wanted.flatMap((address) => {
      const exact = ports.get(address.host);
      const port = address.port || exact || listening[0]?.port;
      return port === undefined ? [] : [{ ...address, port, did: this.self }];
    });
    return advertisedAddresses(concrete).map((address) => formatAddress(address));
  }

  async dial(address: string, options: { readonly signal?: AbortSignal } = {}): Promise<FabricConnection> {
    return this.#dialWithin(address, options.signal);
  }

  async #dialGuest(guests: Libp2pGuests, address: string, signal: AbortSignal): Promise<Guest> {
    const { raw, remote } = await this.#dialWithin(address, signal);
    const guest = this.#parts.lanes.muxerOf(raw) ? undefined : guests.welcome(raw);
    if (guest) return guest;
    guests.end(raw, "it is no guest");
    const reason = "it is an easynet node, or there are too many guests";
    throw new EasynetError("PEER_UNREACHABLE", { peer: remote, reason });
  }

  async #dialWithin(address: string, signal: AbortSignal | undefined): Promise<Libp2pConnection> {
    const target = formatAddress(parseAddress(address));
    using deadline = startDeadline({
      clock: this.#clock,
      subject: `The dial to ${address}`,
      timeoutMs: DIAL_TIMEOUT_MS,
      signal,
    });
    try {
      const connection = await this.#dialAlone(target, deadline.signal);
      this.#options.metrics.count("easynet_fabric_dials_total", { result: "ok" });
      return connection;
    } catch (error) {
      this.#options.metrics.count("easynet_fabric_dials_total", { result: "failed" });
      throw dialError(address, error);
    }
  }

  onConnection(handler: (connection: FabricConnection) => void): void {
    this.#onConnection = handler;
  }

  /**
   * Each dial is a connection of its own: which of two is kept is the mesh's decision. libp2p joins dials to one peer
   * that run at the same time, so they run one after the other.
   */
  async #dialAlone(target: string, signal: AbortSignal): Promise<Libp2pConnection> {
    const peer = parseAddress(target).did ?? target;
    const before = this.#dialling.get(peer);
    const own = Promise.withResolvers<void>();
    this.#dialling.set(peer, own.promise);
    try {
      await before;
      return this.#open(await this.#node.dial(this.#parts.parse(target), { signal, force: true }));
    } finally {
      own.resolve();
      if (this.#dialling.get(peer) === own.promise) this.#dialling.delete(peer);
    }
  }

  #open(connection: Connection): Libp2pConnection {
    const known = this.#connections.get(connection.id);
    if (known) return known;
    const opened = new Libp2pConnection({
      connection,
      remote: didFromPeerId(connection.remotePeer.toString()),
      protocolOf: (lane) => PROTOCOLS.get(lane),
      muxer: this.#parts.lanes.muxerOf(connection),
      logger: this.#options.logger,
    });
    this.#connections.set(connection.id, opened);
    this.#options.metrics.count("easynet_fabric_connections_total", { direction: connection.direction });
    const { guests, lanes } = this.#parts;
    if (connection.direction === "outbound") return opened;
    if (guests && !lanes.muxerOf(connection)) guests.welcome(connection);
    else this.#announce(opened);
    return opened;
  }

  #announce(connection: Libp2pConnection): void {
    const handler = this.#onConnection;
    if (!handler) {
      connection.abort(new Error("nobody accepts connections"));
      return;
    }
    try {
      handler(connection);
    } catch (error) {
      this.#options.logger.error("connection handler failed", { peer: connection.remote, error });
      connection.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

/** libp2p formats log lines for every frame; only its errors are passed on, at debug. */
function quietLogger(logger: Logger): ComponentLogger {
  const none = (): void => undefined;
  const make = (scope: string): Libp2pLogger =>
    Object.assign(none.bind(undefined), {
      enabled: false,
      trace: none,
      error: (formatter: unknown, ...values: unknown[]) => {
        const error = values.find((value) => value instanceof Error);
        logger.debug("libp2p error", { scope, text: String(formatter), error });
      },
      newScope: (name: string) => make(`${scope}:${name}`),
    });
  return { forComponent: make };
}
