import { EasynetError } from "../kernel/index.ts";
import type { Fabric, FabricConnection } from "./fabric.ts";
import { formatAddress, type NodeAddress, parseAddress, type Transport } from "./libp2p-address.ts";
import { createLibp2pFabric, type Libp2pFabricOptions } from "./libp2p-fabric.ts";

export interface FabricOptions extends Omit<Libp2pFabricOptions, "transport" | "muxer"> {
  /** Told to others beside what is listened on: how a router or a web server in front of this machine is reached. */
  readonly announce?: readonly string[];
}

type Part = "tcp" | "ws" | "quic";
const PARTS: readonly Part[] = ["tcp", "ws", "quic"];
const PART_OF: Readonly<Record<Transport, Part>> = { tcp: "tcp", ws: "ws", wss: "ws", "quic-v1": "quic" };
const LOOPBACK = /^(127\.|::1$|localhost$)/;

/**
 * The fabric of real networks, of several transports. TCP is always there; each other one is loaded when it is
 * listened on or dialled for the first time.
 * @throws {EasynetError} INVALID_ARGUMENT, CONFIG_INVALID for an address that cannot be listened on
 */
export async function createFabric(options: FabricOptions): Promise<Fabric> {
  const listen = options.listenAddresses.map((address) => parseAddress(address));
  for (const address of listen) if (address.transport === "wss") throw notListening(address);
  const announce = (options.announce ?? []).map((text) => parseAddress(text));
  return new TransportsFabric({ options, listen, announce, tcp: await openPart("tcp", options, listen) });
}

async function openPart(part: Part, options: FabricOptions, listen: readonly NodeAddress[]): Promise<Fabric> {
  const own = listen.filter(({ transport }) => PART_OF[transport] === part);
  const listenAddresses = own.map((address) => formatAddress(address));
  const guests = part === "tcp" && options.guests === true;
  if (part !== "ws") return createLibp2pFabric({ ...options, listenAddresses, transport: part, guests });
  const { WebSocketFabric } = await import("./ws-fabric.ts");
  return new WebSocketFabric({ ...options, listenAddresses });
}

interface TransportsParts {
  readonly options: FabricOptions;
  readonly listen: readonly NodeAddress[];
  readonly announce: readonly NodeAddress[];
  readonly tcp: Fabric;
}

class TransportsFabric implements Fabric {
  readonly self: Fabric["self"];
  readonly guests: Fabric["guests"];
  readonly #given: TransportsParts;
  /** Parts that are started, or starting. */
  readonly #parts = new Map<Part, Promise<Fabric>>();
  /** Those of `#parts` that run, in the order of their addresses. */
  #running: { readonly part: Part; readonly fabric: Fabric }[] = [];
  #state: "new" | "started" | "stopped" = "new";
  #onConnection: (connection: FabricConnection) => void = (connection) =>
    connection.abort(new Error("nobody accepts connections"));

  constructor(parts: TransportsParts) {
    this.#given = parts;
    this.self = parts.tcp.self;
    this.guests = parts.tcp.guests;
  }

  async start(): Promise<void> {
    this.#state = "started";
    const used = new Set<Part>(["tcp", ...this.#given.listen.map(({ transport }) => PART_OF[transport])]);
    try {
      for (const part of used) await this.#part(part);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#state = "stopped";
    // One that could not start is not there to be stopped.
    await Promise.allSettled([...this.#parts.values()].map(async (part) => (await part).stop()));
    this.#running = [];
  }

  addresses(): readonly string[] {
    const announced = this.#given.announce.map((address) => formatAddress({ ...address, did: this.self }));
    const own = this.#running.flatMap(({ fabric }) => fabric.addresses());
    // Who tells how it is reached from outside listens on loopback for the server in front of it.
    const told = announced.length === 0 ? own : own.filter((text) => !LOOPBACK.test(parseAddress(text).host));
    return [...new Set([...told, ...announced])];
  }

  async dial(text: string, options: { readonly signal?: AbortSignal } = {}): Promise<FabricConnection> {
    const { transport } = parseAddress(text);
    const fabric = await this.#part(PART_OF[transport]);
    return fabric.dial(text, options);
  }

  onConnection(handler: (connection: FabricConnection) => void): void {
    this.#onConnection = handler;
  }

  #part(part: Part): Promise<Fabric> {
    if (this.#state !== "started") return Promise.reject(new EasynetError("NODE_STOPPING", {}));
    const opened = this.#parts.get(part) ?? this.#open(part);
    this.#parts.set(part, opened);
    return opened;
  }

  async #open(part: Part): Promise<Fabric> {
    const { options, listen, tcp } = this.#given;
    try {
      const fabric = part === "tcp" ? tcp : await openPart(part, options, listen);
      fabric.onConnection((connection) => this.#onConnection(connection));
      await fabric.start();
      const running = [...this.#running, { part, fabric }];
      this.#running = running.sort((one, other) => PARTS.indexOf(one.part) - PARTS.indexOf(other.part));
      return fabric;
    } catch (error) {
      // A further dial tries again: what is missing may be installed by then.
      queueMicrotask(() => this.#parts.delete(part));
      throw error;
    }
  }
}

function notListening(address: NodeAddress): EasynetError {
  const reason = `${formatAddress(address)} needs the certificate of a web server: listen on …/ws behind one`;
  return new EasynetError("CONFIG_INVALID", { key: "alsoListen", reason });
}
