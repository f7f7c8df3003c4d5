/**
 * The product's `Mesh` over the network of Maelstrom, which delays and loses messages and knows no connections. What a
 * connection promises is made here as TCP does: frames are numbered, sent again until they are acknowledged, and delivered
 * in order; a peer that is not heard for a while is gone, and what was on its way to it is lost.
 */
import { type Did, keyPairFromSeed } from "../../packages/easynet/src/identity/index.ts";
import { type Clock, EasynetError, repeat, type Timer } from "../../packages/easynet/src/kernel/index.ts";
import type { FrameHandler, Mesh, MeshEvents, OutgoingFrame, Peer } from "../../packages/easynet/src/mesh/index.ts";
import type { Lane } from "../../packages/easynet/src/wire/index.ts";
import type { MaelstromBody } from "./protocol.ts";

type WireFrame = readonly [lane: Lane, type: number, correlation: number, flags: number, body: string];

/** `first` is the number of the first frame; `heard` how many of the other side's stream `hears` have arrived. */
interface LinkBody extends MaelstromBody {
  readonly type: "link";
  readonly stream: number;
  readonly first: number;
  readonly frames: readonly WireFrame[];
  readonly hears: number;
  readonly heard: number;
}

interface Link {
  readonly node: string;
  readonly did: Did;
  up: boolean;
  heardAtMs: number;
  /** Rises with each life of the link, in this direction. */
  stream: number;
  first: number;
  unacknowledged: WireFrame[];
  /** How many of them have been sent once. */
  sentCount: number;
  hears: number;
  heard: number;
  /** Frames that overtook others, by number. */
  readonly early: Map<number, WireFrame>;
}

const RESEND_MS = 100;
const SILENCE_MS_MAX = 1000;

export interface MaelstromMeshOptions {
  readonly self: string;
  readonly nodes: readonly string[];
  readonly clock: Clock;
  readonly send: (to: string, body: LinkBody) => void;
}

export class MaelstromMesh implements Mesh {
  readonly self: Did;
  readonly network: Did = didOf("n0");
  readonly epoch = 1;
  readonly #options: MaelstromMeshOptions;
  readonly #links: ReadonlyMap<Did, Link>;
  readonly #handlers = new Map<number, FrameHandler>();
  readonly #joined = new Set<(peer: Peer) => void>();
  readonly #left = new Set<(peer: Peer, reason: string) => void>();
  #timer: Timer | undefined;
  readonly #urgent = new Set<Link>();

  constructor(options: MaelstromMeshOptions) {
    this.#options = options;
    this.self = didOf(options.self);
    const others = options.nodes.filter((node) => node !== options.self);
    this.#links = new Map(others.map((node) => [didOf(node), makeLink(node)]));
  }

  async start(): Promise<void> {
    this.#timer = repeat(this.#options.clock, RESEND_MS, () => this.#tick());
    this.#tick();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
  }

  addresses(): readonly string[] {
    return [this.#options.self];
  }

  peers(): readonly Peer[] {
    return [...this.#links.values()].filter(({ up }) => up).map((link) => this.#peerOf(link));
  }

  peer(did: Did): Peer | undefined {
    const link = this.#links.get(did);
    return link?.up === true ? this.#peerOf(link) : undefined;
  }

  async connect(address: string): Promise<Peer> {
    return this.reach(didOf(address));
  }

  async reach(did: Did): Promise<Peer> {
    const peer = this.peer(did);
    if (!peer) throw new EasynetError("PEER_UNREACHABLE", { peer: did, reason: "it was not heard for a while" });
    return peer;
  }

  /** Everybody is known from the start, and a link to each is kept. */
  learn(): void {}
  networkChanged(): void {}
  trim(): void {}
  forget(): void {}

  isOnDemand(): boolean {
    return false;
  }

  neighboursOf(): readonly Did[] {
    return [];
  }

  send(to: Did, { lane, type, correlation = 0, flags = 0, body }: OutgoingFrame): boolean {
    const link = this.#links.get(to);
    if (link?.up !== true) throw new EasynetError("PEER_UNREACHABLE", { peer: to, reason: "no link" });
    link.unacknowledged.push([lane, type, correlation, flags, Buffer.from(body).toString("base64")]);
    this.#flushSoon(link);
    return true;
  }

  async drained(): Promise<void> {}

  handle(type: number, handler: FrameHandler): void {
    this.#handlers.set(type, handler);
  }

  on<Name extends keyof MeshEvents>(name: Name, listener: (...values: MeshEvents[Name]) => void): Disposable;
  on(name: keyof MeshEvents, listener: (peer: Peer, reason: string) => void): Disposable {
    const joined = (peer: Peer): void => listener(peer, "");
    if (name === "peer-joined") this.#joined.add(joined);
    else if (name === "peer-left") this.#left.add(listener);
    return {
      [Symbol.dispose]: () => {
        this.#joined.delete(joined);
        this.#left.delete(listener);
      },
    };
  }

  receive(from: string, body: MaelstromBody): void {
    const link = this.#links.get(didOf(from));
    if (!link || !isLinkBody(body)) return;
    link.heardAtMs = this.#options.clock.monotonicMs();
    if (body.stream < link.hears) return;
    // The other side began anew: what it had sent before and is not here will not come.
    if (body.stream > link.hears) {
      if (link.hears > 0) this.#down(link, "the other side began anew");
      link.hears = body.stream;
      link.heard = 0;
      link.early.clear();
    }
    this.#up(link);
    if (body.hears === link.stream && body.heard >= link.first) {
      const count = body.heard - link.first + 1;
      link.unacknowledged.splice(0, count);
      link.sentCount = Math.max(0, link.sentCount - count);
      link.first += count;
    }
    for (const [index, frame] of body.frames.entries()) {
      if (body.first + index > link.heard) link.early.set(body.first + index, frame);
    }
    this.#deliver(link);
    if (body.frames.length > 0) this.#flushSoon(link);
  }

  #deliver(link: Link): void {
    for (let next = link.early.get(link.heard + 1); next; next = link.early.get(link.heard + 1)) {
      link.heard += 1;
      link.early.delete(link.heard);
      const [lane, type, correlation, flags, text] = next;
      const body = Buffer.from(text, "base64");
      const frame = { from: link.did, lane, type, sequence: link.heard, correlation, flags, body };
      void this.#handlers.get(type)?.(frame);
    }
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const link of this.#links.values()) {
      if (link.up && nowMs - link.heardAtMs > SILENCE_MS_MAX) {
        // Whoever hears of the new stream knows that the old one ended.
        link.stream += 1;
        link.first = 1;
        link.unacknowledged = [];
        this.#down(link, "it was not heard for a while");
      }
      link.sentCount = 0;
      this.#flush(link);
    }
  }

  #flushSoon(link: Link): void {
    this.#urgent.add(link);
    if (this.#urgent.size > 1) return;
    setImmediate(() => {
      const urgent = [...this.#urgent];
      this.#urgent.clear();
      for (const each of urgent) this.#flush(each);
    });
  }

  /** What was not sent yet, and how far the other side was heard. */
  #flush(link: Link): void {
    const { stream, unacknowledged, sentCount, hears, heard } = link;
    const frames = unacknowledged.slice(sentCount);
    link.sentCount = unacknowledged.length;
    this.#options.send(link.node, { type: "link", stream, first: link.first + sentCount, frames, hears, heard });
  }

  #up(link: Link): void {
    if (link.up) return;
    link.up = true;
    for (const listener of this.#joined) listener(this.#peerOf(link));
  }

  #down(link: Link, reason: string): void {
    if (!link.up) return;
    link.up = false;
    for (const listener of this.#left) listener(this.#peerOf(link), reason);
  }

  #peerOf({ did, node, stream }: Link): Peer {
    return {
      did,
      name: node,
      address: node,
      direction: "outbound",
      connectedAtMs: this.#options.clock.nowMs(),
      rttMs: undefined,
      epoch: stream,
    };
  }
}

/** @param node "n1", "n2", … */
export function didOf(node: string): Did {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setUint32(0, Number(node.slice(1)));
  return keyPairFromSeed(seed).did;
}

function makeLink(node: string): Link {
  const counts = { stream: 1, first: 1, sentCount: 0, hears: 0, heard: 0 };
  return { node, did: didOf(node), up: false, heardAtMs: 0, unacknowledged: [], early: new Map(), ...counts };
}

function isLinkBody(body: MaelstromBody): body is LinkBody {
  return body.type === "link" && Array.isArray(body["frames"]) && typeof body["stream"] === "number";
}
