import type { Did } from "../identity/index.ts";
import type { Clock, Random, Timer } from "../kernel/index.ts";
import { EventHeap } from "./event-heap.ts";
import { FakeMesh } from "./fake-mesh.ts";

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

export interface FakeLink {
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
    const link: FakeLink = { ends: [one, other], open: true };
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
