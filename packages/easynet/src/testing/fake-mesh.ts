/**
 * A Mesh without bytes on a wire: frames pass between objects of one process, in order per link and lane. For tests
 * and simulations of what stands on a mesh; the real mesh is tested with its own twin fabric. What it keeps of the
 * real one: frames only over links, loss of everything in flight when a link ends, back-pressure per lane, redial of
 * what was learnt. What it does not model: admission, framing, the order between lanes.
 */
import type { Did } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
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
import { fakeNetworkDid } from "./fake-keys.ts";
import type { FakeLink, FakeNetwork } from "./fake-network.ts";
import { FakeRedial } from "./fake-redial.ts";

interface Attached {
  readonly other: FakeMesh;
  readonly link: FakeLink;
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

  linkTo(did: Did): FakeLink | undefined {
    return this.#links.get(did)?.link;
  }

  attach(other: FakeMesh, link: FakeLink, direction: "inbound" | "outbound"): void {
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

  detach(did: Did, link: FakeLink, reason: string): void {
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
