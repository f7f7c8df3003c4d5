import type { Did } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import type { FabricConnection, LaneStream } from "../mesh/index.ts";
import type { MemoryFabric, MemoryNetwork } from "./memory-network.ts";

/** Lanes that wait for a handler; one more is refused. */
const WAITING_LANES_COUNT_MAX = 8;

interface ConnectionParts {
  readonly network: MemoryNetwork;
  /** Takes an end out of the books. */
  readonly forget: (connection: MemoryConnection) => void;
}

/** One end of a connection. Everything for the other end travels through the network's events. */
export class MemoryConnection implements FabricConnection {
  readonly self: Did;
  readonly remote: Did;
  readonly remoteAddress: string;
  readonly localHost: string;
  readonly direction: "inbound" | "outbound";
  readonly owner: MemoryFabric;
  readonly #parts: ConnectionParts;
  readonly #lanes = new Set<MemoryLane>();
  #far: MemoryConnection | undefined;
  #closed = false;
  #closing: PromiseWithResolvers<void> | undefined;
  #waiting: { readonly name: string; readonly lane: MemoryLane }[] = [];
  #onLane: ((lane: string, stream: LaneStream) => void) | undefined;
  #onClose: ((error?: Error) => void) | undefined;
  #closeError: Error | undefined;
  /** When the last thing that this end sent arrives. */
  #lastDueMs = 0;

  /** Both ends, the dialler's first. */
  static pair(
    parts: ConnectionParts,
    ends: { readonly dialler: MemoryFabric; readonly acceptor: MemoryFabric },
  ): [MemoryConnection, MemoryConnection] {
    const { dialler, acceptor } = ends;
    const near = new MemoryConnection(parts, { own: dialler, other: acceptor, direction: "outbound" });
    const far = new MemoryConnection(parts, { own: acceptor, other: dialler, direction: "inbound" });
    near.#far = far;
    far.#far = near;
    return [near, far];
  }

  private constructor(
    parts: ConnectionParts,
    end: { readonly own: MemoryFabric; readonly other: MemoryFabric; readonly direction: "inbound" | "outbound" },
  ) {
    this.#parts = parts;
    this.owner = end.own;
    this.self = end.own.self;
    this.remote = end.other.self;
    this.direction = end.direction;
    this.localHost = `memory-${end.own.port}`;
    this.remoteAddress = `/memory/${end.other.port}/p2p/${end.other.self}`;
  }

  async openLane(name: string): Promise<LaneStream> {
    await Promise.resolve();
    if (this.#closed || !this.#far) throw closedError(this.remote);
    const [near, distant] = MemoryLane.pair(this, this.#far);
    this.#lanes.add(near);
    near.transmit(() => this.#far?.accept(name, distant));
    return near;
  }

  onLane(handler: (lane: string, stream: LaneStream) => void): void {
    this.#onLane = handler;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { name, lane } of waiting) handler(name, lane);
  }

  onClose(handler: (error?: Error) => void): void {
    this.#onClose = handler;
    if (this.#closed) this.#tell();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    if (!this.#closing) {
      this.#closing = Promise.withResolvers();
      // BEHIND everything that was sent; then the answer of the other end.
      this.transmit(this.#lastDueMs, () => {
        const far = this.#far;
        far?.finish(undefined);
        far?.transmit(0, () => this.finish(undefined));
      });
    }
    await this.#closing.promise;
  }

  abort(reason: Error): void {
    if (this.#closed) return;
    const far = this.#far;
    this.transmit(0, () => far?.finish(new Error("the other end reset the connection")));
    this.finish(reason);
  }

  /** The process of this end is gone. @param both true when both ends live and see it break */
  crash(silent: boolean, both = false): void {
    const far = this.#far;
    if (!both) this.#onClose = undefined;
    if (!silent) this.transmit(0, () => far?.finish(new Error("the connection broke")));
    if (silent) this.#parts.forget(this);
    this.finish(both ? new Error("the connection broke") : undefined);
  }

  /** Nothing may be put off any more: the end comes behind what was sent. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  get network(): MemoryNetwork {
    return this.#parts.network;
  }

  /** Runs `action` at the other end, at `atMs` or after the latency, whichever is later. */
  transmit(atMs: number, action: () => void): number {
    const { network } = this.#parts;
    const dueMs = Math.max(atMs, network.options.clock.monotonicMs() + network.latencyMs());
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    network.schedule(dueMs, { from: this.self, to: this.remote, action });
    return dueMs;
  }

  accept(name: string, lane: MemoryLane): void {
    if (this.#closed) return;
    this.#lanes.add(lane);
    if (this.#onLane) this.#onLane(name, lane);
    else if (this.#waiting.length < WAITING_LANES_COUNT_MAX) this.#waiting.push({ name, lane });
    else lane.abort(new Error("too many lanes wait for a handler"));
  }

  finish(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeError = error;
    this.#parts.forget(this);
    for (const lane of this.#lanes) lane.finish(error);
    this.#lanes.clear();
    this.#closing?.resolve();
    this.#tell();
  }

  #tell(): void {
    const handler = this.#onClose;
    this.#onClose = undefined;
    handler?.(this.#closeError);
  }
}

interface Sent {
  readonly bytes: Uint8Array;
  readonly dueMs: number;
}

/** One end of a lane: what it sends, and what its handlers are. */
class MemoryLane implements LaneStream {
  readonly #connection: MemoryConnection;
  #far: MemoryLane | undefined;
  #closed = false;
  #closeError: Error | undefined;
  #underWay: Sent[] = [];
  #bufferedBytes = 0;
  #lastDueMs = 0;
  #full = false;
  #early: Uint8Array[] = [];
  #onData: ((chunk: Uint8Array) => void) | undefined;
  #onDrain: (() => void) | undefined;
  #onClose: ((error?: Error) => void) | undefined;

  static pair(near: MemoryConnection, far: MemoryConnection): [MemoryLane, MemoryLane] {
    const lanes: [MemoryLane, MemoryLane] = [new MemoryLane(near), new MemoryLane(far)];
    lanes[0].#far = lanes[1];
    lanes[1].#far = lanes[0];
    return lanes;
  }

  private constructor(connection: MemoryConnection) {
    this.#connection = connection;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(bytes: Uint8Array): boolean {
    if (this.#closed) throw closedError(this.#connection.remote);
    if (bytes.length > 0) {
      this.#bufferedBytes += bytes.length;
      const dueMs = this.transmit(() => this.#arrive());
      this.#underWay.push({ bytes, dueMs });
    }
    const { highWaterBytes } = this.#connection.network.options;
    if (this.#bufferedBytes > highWaterBytes) this.#full = true;
    return !this.#full;
  }

  onData(handler: (chunk: Uint8Array) => void): void {
    this.#onData = handler;
    const early = this.#early;
    this.#early = [];
    for (const chunk of early) handler(chunk);
  }

  onDrain(handler: () => void): void {
    this.#onDrain = handler;
  }

  onClose(handler: (error?: Error) => void): void {
    this.#onClose = handler;
    if (this.#closed) handler(this.#closeError);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const far = this.#far;
    const done = Promise.withResolvers<void>();
    this.transmit(() => {
      far?.finish(undefined);
      this.finish(undefined);
      done.resolve();
    });
    await done.promise;
  }

  abort(reason: Error): void {
    if (this.#closed) return;
    const far = this.#far;
    this.transmit(() => far?.finish(new Error("the other end reset the lane")));
    this.finish(reason);
  }

  /** Order within the lane is kept: nothing is due before what was sent earlier. */
  transmit(action: () => void): number {
    this.#lastDueMs = this.#connection.transmit(this.#lastDueMs, action);
    return this.#lastDueMs;
  }

  finish(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeError = error;
    this.#underWay = [];
    this.#early = [];
    this.#bufferedBytes = 0;
    this.#onClose?.(error);
  }

  /** Hands what is due to the other end, in chunks that do not follow the boundaries of the sends. */
  #arrive(): void {
    const { clock, random, chunkBytesMax, latencyMs, highWaterBytes } = this.#connection.network.options;
    const nowMs = clock.monotonicMs();
    let count = 0;
    while (count < this.#underWay.length && (this.#underWay[count]?.dueMs ?? Infinity) <= nowMs) count++;
    const due = this.#underWay.splice(0, count).map((sent) => sent.bytes);
    const first = due[0];
    if (this.#closed || !first) return;
    let bytes = due.length === 1 ? first : new Uint8Array(Buffer.concat(due));
    // Sometimes the tail is late, so that frames are split in time too.
    const isLast = this.#underWay.length === 0 && !this.#connection.closing;
    if (latencyMs.max > 0 && bytes.length > 1 && isLast && random.next() < 0.2) {
      const kept = 1 + Math.floor(random.next() * (bytes.length - 1));
      const dueMs = this.transmit(() => this.#arrive());
      this.#underWay.push({ bytes: bytes.subarray(kept), dueMs });
      bytes = bytes.subarray(0, kept);
    }
    this.#bufferedBytes -= bytes.length;
    for (let start = 0; start < bytes.length;) {
      const size = 1 + Math.floor(random.next() * chunkBytesMax);
      this.#far?.receive(bytes.subarray(start, start + size));
      start += size;
    }
    if (!this.#full || this.#bufferedBytes > highWaterBytes / 2 || this.#closed) return;
    this.#full = false;
    this.#onDrain?.();
  }

  receive(view: Uint8Array): void {
    if (this.#closed) return;
    const { spoilChunks } = this.#connection.network.options;
    if (!this.#onData) {
      this.#early.push(Uint8Array.from(view));
      return;
    }
    const chunk = spoilChunks ? Uint8Array.from(view) : view;
    this.#onData(chunk);
    if (spoilChunks) chunk.fill(0xee);
  }
}

function closedError(peer: string): EasynetError {
  return new EasynetError("LINK_CLOSED", { peer, reason: "the connection is closed" });
}
