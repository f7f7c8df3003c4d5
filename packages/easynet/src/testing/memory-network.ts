/**
 * The in-memory twin of the fabric: byte streams between objects of one process, on a clock that the test owns. It
 * is meaner than a real network where the contract allows it: chunks have random sizes and are spoilt after the
 * handler returned, lanes overtake one another, and latency differs from chunk to chunk. Within a lane order is kept.
 */
import type { Did, KeyPair } from "../identity/index.ts";
import { type Clock, EasynetError, type Random, type Timer } from "../kernel/index.ts";
import type { Fabric, FabricConnection } from "../mesh/index.ts";
import { EventHeap } from "./event-heap.ts";
import { MemoryConnection } from "./memory-connection.ts";

export interface MemoryNetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** One-way delay of each chunk, ms. @default 0 to 0 */
  readonly latencyMs?: { readonly min: number; readonly max: number };
  /** Largest chunk that a reader gets, bytes. @default 16 KiB */
  readonly chunkBytesMax?: number;
  /** Bytes under way on one lane above which `send` answers false. @default 256 KiB */
  readonly highWaterBytes?: number;
  /** Overwrites each chunk after its handler returned, as a real network may. @default true */
  readonly spoilChunks?: boolean;
}

interface Held {
  readonly from: Did;
  readonly to: Did;
  readonly action: () => void;
}

export class MemoryNetwork {
  readonly options: Required<MemoryNetworkOptions>;
  readonly #fabrics = new Map<number, MemoryFabric>();
  readonly #connections = new Set<MemoryConnection>();
  readonly #events = new EventHeap();
  readonly #frozen = new Set<Did>();
  #partitions: { readonly one: ReadonlySet<Did>; readonly other: ReadonlySet<Did> }[] = [];
  #held: Held[] = [];
  #portCount = 0;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #turnQueued = false;

  constructor(options: MemoryNetworkOptions) {
    const defaults = { latencyMs: { min: 0, max: 0 }, chunkBytesMax: 16 * 1024, highWaterBytes: 256 * 1024 };
    this.options = { ...defaults, spoilChunks: true, ...options };
  }

  /** A fabric that is not started. @param port where others dial it, for nodes that come back; default 1, 2, 3 … */
  fabric(keyPair: KeyPair, port: number = ++this.#portCount): Fabric {
    return new MemoryFabric(this, keyPair, port);
  }

  /** Open connections, each counted once. */
  get connectionCount(): number {
    return this.#connections.size / 2;
  }

  /** Nothing passes between the two sets; what is under way waits, as behind a cable that was pulled. */
  partition(one: Iterable<Did>, other: Iterable<Did>): void {
    this.#partitions.push({ one: new Set(one), other: new Set(other) });
  }

  /** Ends every partition and thaws everybody; what waited goes on. */
  heal(): void {
    this.#partitions = [];
    this.#frozen.clear();
    const held = this.#held;
    this.#held = [];
    for (const event of held) this.#run(event);
  }

  /** The process stands still: nothing reaches it, nothing leaves it, its connections stay open. */
  freeze(did: Did): void {
    this.#frozen.add(did);
  }

  /**
   * The process ends without a word. Its peers see their connections break, or, when `silent` (power cut), nothing.
   * The mesh object of the dead process is to be stopped by the test; nothing of it reaches anybody any more.
   */
  crash(did: Did, options: { readonly silent?: boolean } = {}): void {
    for (const [port, fabric] of this.#fabrics) if (fabric.self === did) this.#fabrics.delete(port);
    for (const connection of this.#connections) {
      if (connection.self === did) connection.crash(options.silent ?? false);
    }
  }

  /** Breaks every connection between two nodes; both see it. */
  dropConnection(one: Did, other: Did): void {
    for (const connection of this.#connections) {
      if (connection.self === one && connection.remote === other) connection.crash(false, true);
    }
  }

  /** Used by fabrics: a random latency, ms. */
  latencyMs(): number {
    const { min, max } = this.options.latencyMs;
    return min + (max > min ? this.options.random.next() * (max - min) : 0);
  }

  /** Used by fabrics: runs `action` at `atMs` (monotonic), or once nothing is in the way. */
  schedule(atMs: number, held: Held): void {
    this.#events.push(atMs, () => this.#run(held));
    this.#arm();
  }

  /** Used by fabrics. */
  listen(fabric: MemoryFabric): void {
    if (this.#fabrics.has(fabric.port)) {
      throw new EasynetError("PORT_IN_USE", { port: fabric.port, option: "port" });
    }
    this.#fabrics.set(fabric.port, fabric);
  }

  /** Used by fabrics. */
  unlisten(fabric: MemoryFabric): void {
    if (this.#fabrics.get(fabric.port) === fabric) this.#fabrics.delete(fabric.port);
    for (const connection of this.#connections) {
      if (connection.self === fabric.self && connection.owner === fabric) connection.abort(new Error("fabric stopped"));
    }
  }

  /** Used by fabrics: a round trip, then both ends of a connection; undefined when nobody listens there. */
  connect(from: MemoryFabric, port: number, done: (connection: MemoryConnection | undefined) => void): void {
    const to = this.#fabrics.get(port);
    const nowMs = this.options.clock.monotonicMs();
    const target = to?.self ?? from.self;
    this.schedule(nowMs + 2 * this.latencyMs(), {
      from: from.self,
      to: target,
      action: () => {
        const listening = this.#fabrics.get(port);
        if (!listening || !from.open) {
          done(undefined);
          return;
        }
        const parts = { network: this, forget: (end: MemoryConnection) => this.#connections.delete(end) };
        const [near, far] = MemoryConnection.pair(parts, { dialler: from, acceptor: listening });
        this.#connections.add(near);
        this.#connections.add(far);
        // The dialler is told first; what it sends still takes its time.
        done(near);
        listening.accept(far);
      },
    });
  }

  #blocked(from: Did, to: Did): boolean {
    if (this.#frozen.has(from) || this.#frozen.has(to)) return true;
    return this.#partitions.some(
      ({ one, other }) => (one.has(from) && other.has(to)) || (one.has(to) && other.has(from)),
    );
  }

  #run(held: Held): void {
    if (this.#blocked(held.from, held.to)) this.#held.push(held);
    else held.action();
  }

  #arm(): void {
    const { clock } = this.options;
    const atMs = this.#events.nextAtMs;
    if (atMs === Infinity) return;
    const nowMs = clock.monotonicMs();
    if (atMs <= nowMs) {
      if (this.#turnQueued) return;
      this.#turnQueued = true;
      setImmediate(() => {
        this.#turnQueued = false;
        this.#runDue();
      });
    } else if (atMs < this.#timerAtMs) {
      this.#timer?.cancel();
      this.#timerAtMs = atMs;
      this.#timer = clock.setTimer(atMs - nowMs, () => {
        this.#timerAtMs = Infinity;
        this.#runDue();
      });
    }
  }

  #runDue(): void {
    const nowMs = this.options.clock.monotonicMs();
    for (let action = this.#events.popDue(nowMs); action; action = this.#events.popDue(nowMs)) action();
    this.#arm();
  }
}

const ADDRESS = /^\/memory\/(\d{1,9})(?:\/p2p\/(did:key:\w+))?$/;

/** One node's end of the network. */
export class MemoryFabric implements Fabric {
  readonly self: Did;
  readonly port: number;
  open = false;
  readonly #network: MemoryNetwork;
  #onConnection: ((connection: FabricConnection) => void) | undefined;

  constructor(network: MemoryNetwork, keyPair: KeyPair, port: number) {
    this.#network = network;
    this.self = keyPair.did;
    this.port = port;
  }

  async start(): Promise<void> {
    this.#network.listen(this);
    this.open = true;
    await Promise.resolve();
  }

  async stop(): Promise<void> {
    this.open = false;
    this.#network.unlisten(this);
    await Promise.resolve();
  }

  addresses(): readonly string[] {
    return this.open ? [`/memory/${this.port}/p2p/${this.self}`] : [];
  }

  async dial(address: string, options: { readonly signal?: AbortSignal } = {}): Promise<FabricConnection> {
    const { signal } = options;
    const match = ADDRESS.exec(address);
    if (!match) {
      throw new EasynetError("INVALID_ARGUMENT", {
        subject: "An address",
        reason: "write /memory/1 or /memory/1/p2p/…",
      });
    }
    const unreachable = (reason: string): EasynetError =>
      new EasynetError("PEER_UNREACHABLE", { peer: address, reason });
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(unreachable("the dial was given up"));
      if (signal?.aborted) {
        onAbort();
        return;
      }
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#network.connect(this, Number(match[1]), (connection) => {
        signal?.removeEventListener("abort", onAbort);
        if (!connection) {
          reject(unreachable("nobody listens there"));
        } else if (signal?.aborted || (match[2] !== undefined && match[2] !== connection.remote)) {
          connection.abort(new Error("not wanted"));
          reject(unreachable("another key answered"));
        } else {
          resolve(connection);
        }
      });
    });
  }

  onConnection(handler: (connection: FabricConnection) => void): void {
    this.#onConnection = handler;
  }

  /** Used by the network. */
  accept(connection: MemoryConnection): void {
    if (this.#onConnection) this.#onConnection(connection);
    else connection.abort(new Error("nobody accepts connections"));
  }
}
