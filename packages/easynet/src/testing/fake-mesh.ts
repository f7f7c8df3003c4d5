/**
 * A Mesh without bytes on a wire: frames pass between objects of one process, in order per link and lane. For tests
 * and simulations of what stands on a mesh; the real mesh is tested with its own twin fabric. What it keeps of the
 * real one: frames only over links, loss of everything in flight when a link ends, back-pressure per lane, redial of
 * what was learnt. What it does not model: admission, framing, the order between lanes.
 */
import { type Did, keyPairFromSeed } from "../identity/index.ts";
import { type Clock, EasynetError, type Random, type Timer } from "../kernel/index.ts";
import {
  type FrameHandler,
  type Mesh,
  type MeshEvents,
  type OutgoingFrame,
  type Peer,
  type ReachOptions,
  UNNEEDED,
} from "../mesh/index.ts";
import type { Lane } from "../wire/index.ts";
import { EventHeap } from "./event-heap.ts";
import { FakeRedial } from "./fake-redial.ts";

export interface FakeNetworkOptions {
  readonly clock: Clock;
  /** One-way delay of a frame, in ms; 0 delivers within the same turn of the event loop. @default 0 */
  readonly latencyMs?: number | ((from: Did, to: Did) => number);
  /** How long the other end of a cut or crashed link takes to notice, in ms. @default 0 */
  readonly noticeMs?: number | (() => number);
  /** Links nodes that learnt of each other, again and again, as long as they can reach each other. @default true */
  readonly autoLink?: boolean;
  /** Delay before a learnt address is dialled, in ms. @default 0 */
  readonly dialMs?: number;
  /** Bytes in flight per link and lane above which `send` returns false. @default 1 MiB */
  readonly laneBytesHigh?: number;
  /**
   * Meshes dial by the real policy, with a full mesh up to so many known peers; `autoLink` then only says who can be
   * dialled at all. Without it whoever learnt of a node is linked to it.
   */
  readonly fullMeshCountMax?: number;
  readonly random?: Random;
  /** Spoils each body after its handler returned, as the real mesh may; false saves the copy. @default true */
  readonly reuseBodies?: boolean;
}

/** The did of a test node: stable, distinct for each number. @param number 0..2^32-1 */
export function fakeDid(number: number): Did {
  return fakeKeyPair(number).did;
}

/** The key pair behind {@link fakeDid}. */
export function fakeKeyPair(number: number): ReturnType<typeof keyPairFromSeed> {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setUint32(0, number);
  return keyPairFromSeed(seed);
}

let networkDid: Did | undefined;

/** The network that all fake nodes are in; made once, because keys are dear. */
function fakeNetworkDid(): Did {
  networkDid ??= fakeDid(0xffff_ffff);
  return networkDid;
}

interface Link {
  readonly ends: readonly [FakeMesh, FakeMesh];
  open: boolean;
}

/** The hub: who is linked to whom, and what is on its way. */
export class FakeNetwork {
  readonly options: Required<Omit<FakeNetworkOptions, "fullMeshCountMax" | "random">> & FakeNetworkOptions;
  readonly meshes = new Map<Did, FakeMesh>();
  /** Frames delivered so far. */
  deliveredCount = 0;
  readonly #queue = new EventHeap();
  #reachable: (from: Did, to: Did) => boolean = () => true;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #microtask = false;

  constructor(options: FakeNetworkOptions) {
    const defaults = { latencyMs: 0, noticeMs: 0, autoLink: true, dialMs: 0, laneBytesHigh: 1024 * 1024 };
    this.options = { ...defaults, reuseBodies: true, ...options };
  }

  /** A started node without links. @param epoch as `Mesh.epoch`; changes at each start of a process */
  join(self: Did, options: { readonly name?: string; readonly epoch?: number } = {}): FakeMesh {
    const mesh = new FakeMesh(this, self, options);
    this.meshes.set(self, mesh);
    return mesh;
  }

  /** Links two nodes now. Nothing happens when they are linked or cannot reach each other. */
  link(from: Did, to: Did): void {
    const [one, other] = [this.meshes.get(from), this.meshes.get(to)];
    if (!one || !other || one === other || one.linkTo(to) || !this.#reachable(from, to)) return;
    const link: Link = { ends: [one, other], open: true };
    one.attach(other, link, "outbound");
    other.attach(one, link, "inbound");
  }

  /** Ends a link; the first end notices at once, the other after `noticeMs`. What is in flight is lost. */
  cut(from: Did, to: Did, reason = "cut"): void {
    const one = this.meshes.get(from);
    if (one) this.#cutFrom(one, to, reason);
  }

  #cutFrom(one: FakeMesh, to: Did, reason: string): void {
    const link = one.linkTo(to);
    if (!link) return;
    link.open = false;
    one.detach(to, link, reason);
    const other = link.ends[0] === one ? link.ends[1] : link.ends[0];
    this.later(this.#noticeMs(), () => {
      other.detach(one.self, link, reason);
      this.#dialBoth(one, other);
    });
  }

  /** Divides the network: links between nodes that may not reach each other are cut, and none is made. */
  partition(reachable: (from: Did, to: Did) => boolean): void {
    this.#reachable = reachable;
    for (const mesh of this.meshes.values()) {
      for (const peer of mesh.peers()) if (!reachable(mesh.self, peer.did)) this.cut(mesh.self, peer.did, "partition");
    }
  }

  /** Everybody reaches everybody again; what was learnt is dialled. */
  heal(): void {
    this.#reachable = () => true;
    for (const mesh of this.meshes.values()) this.dialLearnt(mesh);
  }

  /** The process is gone: it sends and hears nothing more, its peers notice after `noticeMs`. */
  crash(did: Did): void {
    const mesh = this.meshes.get(did);
    if (!mesh) return;
    this.meshes.delete(did);
    mesh.redial?.stop();
    for (const peer of mesh.peers()) this.#cutFrom(mesh, peer.did, "connection reset");
  }

  /** Runs `action` after `delayMs`, in order of time, then of call. */
  later(delayMs: number, action: () => void): void {
    this.#queue.push(this.options.clock.monotonicMs() + delayMs, action);
    if (delayMs <= 0) this.#soon();
    else this.#arm();
  }

  dialLearnt(mesh: FakeMesh): void {
    if (mesh.redial) mesh.redial.plan({ kind: "network-changed" });
    else
      for (const other of this.meshes.values()) {
        if (mesh.learnt.has(other.self) || other.learnt.has(mesh.self)) this.dial(mesh, other.self);
      }
  }

  dial(mesh: FakeMesh, to: Did): void {
    if (!this.options.autoLink || to === mesh.self) return;
    this.later(this.options.dialMs, () => {
      if (this.meshes.get(mesh.self) === mesh) this.link(mesh.self, to);
    });
  }

  /** As `dial`, and tells whether there is a link. */
  try(mesh: FakeMesh, to: Did, done: (linked: boolean) => void): void {
    this.later(this.options.dialMs, () => {
      if (this.meshes.get(mesh.self) !== mesh) return;
      this.link(mesh.self, to);
      done(mesh.linkTo(to) !== undefined);
    });
  }

  #dialBoth(one: FakeMesh, other: FakeMesh): void {
    if (one.redial) return;
    if (this.meshes.get(one.self) !== one || this.meshes.get(other.self) !== other) return;
    if (one.learnt.has(other.self)) this.dial(one, other.self);
    else if (other.learnt.has(one.self)) this.dial(other, one.self);
  }

  #noticeMs(): number {
    const { noticeMs } = this.options;
    return typeof noticeMs === "number" ? noticeMs : noticeMs();
  }

  #soon(): void {
    if (this.#microtask) return;
    this.#microtask = true;
    queueMicrotask(() => {
      this.#microtask = false;
      this.#run();
    });
  }

  #arm(): void {
    const atMs = this.#queue.nextAtMs;
    if (atMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.options.clock.setTimer(Math.max(0, atMs - this.options.clock.monotonicMs()), () => {
      this.#timerAtMs = Infinity;
      this.#run();
    });
  }

  #run(): void {
    const nowMs = this.options.clock.monotonicMs();
    for (let action = this.#queue.popDue(nowMs); action; action = this.#queue.popDue(nowMs)) action();
    if (this.#queue.nextAtMs !== Infinity) this.#arm();
  }
}

interface Attached {
  readonly other: FakeMesh;
  readonly link: Link;
  readonly peer: Peer;
  readonly sequences: Map<Lane, number>;
  readonly bytesInFlight: Map<Lane, number>;
  readonly waiters: Map<Lane, { resolve: () => void; reject: (error: unknown) => void }[]>;
}

/** One node of a {@link FakeNetwork}. */
export class FakeMesh implements Mesh {
  readonly self: Did;
  readonly network: Did;
  readonly epoch: number;
  /** What the node keeps dialling. */
  readonly learnt = new Map<Did, readonly string[]>();
  readonly redial: FakeRedial | undefined;
  readonly #name: string;
  readonly #hub: FakeNetwork;
  readonly #links = new Map<Did, Attached>();
  readonly #handlers = new Map<number, FrameHandler>();
  readonly #joined = new Set<(peer: Peer) => void>();
  readonly #left = new Set<(peer: Peer, reason: string) => void>();

  constructor(hub: FakeNetwork, self: Did, options: { readonly name?: string; readonly epoch?: number }) {
    this.#hub = hub;
    this.self = self;
    this.network = fakeNetworkDid();
    this.epoch = options.epoch ?? 1;
    this.#name = options.name ?? self.slice(-4);
    const { clock, random, fullMeshCountMax } = hub.options;
    if (!random || fullMeshCountMax === undefined) return;
    this.redial = new FakeRedial({
      self,
      clock,
      random,
      fullMeshCountMax,
      peers: () => this.peers(),
      peer: (did) => this.peer(did),
      dial: (did, done) => hub.try(this, did, done),
    });
  }

  async start(): Promise<void> {
    this.#hub.dialLearnt(this);
  }

  async stop(): Promise<void> {
    this.#hub.crash(this.self);
  }

  addresses(): readonly string[] {
    return [`fake#${this.self}`];
  }

  peers(): readonly Peer[] {
    return Array.from(this.#links.values(), (attached) => attached.peer);
  }

  peer(did: Did): Peer | undefined {
    return this.#links.get(did)?.peer;
  }

  async connect(address: string): Promise<Peer> {
    const to = [...this.#hub.meshes.keys()].find((did) => address.endsWith(`#${did}`));
    if (to) this.#hub.link(this.self, to);
    const peer = to && this.peer(to);
    if (!peer) throw new EasynetError("PEER_UNREACHABLE", { peer: address, reason: "nobody listens there" });
    return peer;
  }

  async reach(did: Did, options?: ReachOptions): Promise<Peer> {
    return this.peer(did) ?? this.redial?.keeping.reach(did, options) ?? this.connect(`fake#${did}`);
  }

  isOnDemand(did: Did): boolean {
    return this.redial?.keeping.isOnDemand(did) ?? false;
  }

  neighboursOf(did: Did): readonly Did[] {
    return this.redial?.keeping.neighboursOf(did) ?? [];
  }

  trim(inUse: (did: Did) => boolean): void {
    for (const did of this.redial?.keeping.unneeded(inUse) ?? []) this.#hub.cut(this.self, did, UNNEEDED);
  }

  learn(did: Did, addresses: readonly string[]): void {
    if (this.redial) {
      this.redial.plan({ kind: "learn", did, addresses });
      return;
    }
    this.learnt.set(did, addresses);
    if (!this.#links.has(did)) this.#hub.dial(this, did);
  }

  networkChanged(): void {
    this.#hub.dialLearnt(this);
  }

  forget(did: Did): void {
    this.learnt.delete(did);
    this.redial?.plan({ kind: "forget", did });
  }

  send(to: Did, frame: OutgoingFrame): boolean {
    const attached = this.#links.get(to);
    if (!attached) throw new EasynetError("PEER_UNREACHABLE", { peer: to, reason: "no link" });
    const { lane } = frame;
    const high = this.#hub.options.laneBytesHigh;
    const before = attached.bytesInFlight.get(lane) ?? 0;
    if (before > 4 * high) throw new EasynetError("BACKPRESSURE", { peer: to, bytes: before, lane });
    const sequence = (attached.sequences.get(lane) ?? 0) + 1;
    attached.sequences.set(lane, sequence);
    attached.bytesInFlight.set(lane, before + frame.body.length);
    const { latencyMs } = this.#hub.options;
    const delayMs = typeof latencyMs === "number" ? latencyMs : latencyMs(this.self, to);
    this.#hub.later(delayMs, () => {
      if (attached.link.open) attached.other.#deliver(this, frame, { attached, sequence });
    });
    return before + frame.body.length < high;
  }

  async drained(to: Did, lane: Lane): Promise<void> {
    const attached = this.#links.get(to);
    if (!attached) throw new EasynetError("LINK_CLOSED", { peer: to, reason: "no link" });
    if ((attached.bytesInFlight.get(lane) ?? 0) < this.#hub.options.laneBytesHigh) return;
    await new Promise<void>((resolve, reject) => {
      const waiters = attached.waiters.get(lane) ?? [];
      waiters.push({ resolve, reject });
      attached.waiters.set(lane, waiters);
    });
  }

  handle(type: number, handler: FrameHandler): void {
    this.#handlers.set(type, handler);
  }

  on<Name extends keyof MeshEvents>(name: Name, listener: (...values: MeshEvents[Name]) => void): Disposable;
  on(name: keyof MeshEvents, listener: (peer: Peer, reason: string) => void): Disposable {
    const joinedListener = (peer: Peer): void => listener(peer, "");
    if (name === "peer-joined") this.#joined.add(joinedListener);
    else if (name === "peer-left") this.#left.add(listener);
    return {
      [Symbol.dispose]: () => {
        this.#joined.delete(joinedListener);
        this.#left.delete(listener);
      },
    };
  }

  linkTo(did: Did): Link | undefined {
    return this.#links.get(did)?.link;
  }

  attach(other: FakeMesh, link: Link, direction: "inbound" | "outbound"): void {
    const peer: Peer = {
      did: other.self,
      name: other.#name,
      address: `fake#${other.self}`,
      direction,
      connectedAtMs: this.#hub.options.clock.nowMs(),
      rttMs: undefined,
      epoch: other.epoch,
    };
    this.#links.set(other.self, {
      other,
      link,
      peer,
      sequences: new Map(),
      bytesInFlight: new Map(),
      waiters: new Map(),
    });
    for (const listener of this.#joined) listener(peer);
    this.redial?.linked(peer);
  }

  detach(did: Did, link: Link, reason: string): void {
    const attached = this.#links.get(did);
    if (attached?.link !== link) return;
    this.#links.delete(did);
    const error = new EasynetError("LINK_CLOSED", { peer: did, reason });
    for (const waiters of attached.waiters.values()) for (const waiter of waiters) waiter.reject(error);
    for (const listener of this.#left) listener(attached.peer, reason);
    this.redial?.plan({ kind: "lost", did });
  }

  #deliver(
    from: FakeMesh,
    frame: OutgoingFrame,
    sent: { readonly attached: Attached; readonly sequence: number },
  ): void {
    this.#hub.deliveredCount++;
    const handler = this.#handlers.get(frame.type);
    const body = this.#hub.options.reuseBodies ? Uint8Array.from(frame.body) : frame.body;
    const consumed = handler?.({
      from: from.self,
      lane: frame.lane,
      type: frame.type,
      sequence: sent.sequence,
      correlation: frame.correlation ?? 0,
      flags: frame.flags ?? 0,
      body,
    });
    if (consumed) void from.#releaseAfter(consumed, sent.attached, frame);
    else from.#release(sent.attached, frame);
    if (!consumed && this.#hub.options.reuseBodies) body.fill(0xc1);
  }

  async #releaseAfter(consumed: Promise<void>, attached: Attached, frame: OutgoingFrame): Promise<void> {
    try {
      await consumed;
    } finally {
      this.#release(attached, frame);
    }
  }

  #release(attached: Attached, frame: OutgoingFrame): void {
    const left = (attached.bytesInFlight.get(frame.lane) ?? 0) - frame.body.length;
    attached.bytesInFlight.set(frame.lane, left);
    const waiters = attached.waiters.get(frame.lane);
    if (!waiters || left >= this.#hub.options.laneBytesHigh) return;
    attached.waiters.delete(frame.lane);
    for (const waiter of waiters) waiter.resolve();
  }
}
