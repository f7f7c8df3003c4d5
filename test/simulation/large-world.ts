/**
 * A large network: more nodes than anybody keeps links to. Each dials by the real policy (active-view-core.ts), with
 * failure detector, broadcast and directory above it. It grows from single nodes that know one other, a part of it dies
 * at once, and nodes talk to each other that hold no link.
 */
import type { Did } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, pick, type Random, seededRandom, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { createGossip, createSwim, type Gossip, type Swim } from "../../packages/easynet/src/mesh/index.ts";
import { createDirectory, type Directory } from "../../packages/easynet/src/state/index.ts";
import { type FakeMesh, FakeNetwork, VirtualClock } from "../../packages/easynet/src/testing/index.ts";
import { cheapChecks, cheapKeyPair } from "./cheap-signatures.ts";
import { didOf } from "./world-checks.ts";

export interface LargeOptions {
  readonly seed: number;
  readonly nodeCount: number;
  /** Up to so many members everybody would be linked to everybody. */
  readonly fullMeshCountMax: number;
}

interface Node {
  readonly did: Did;
  readonly mesh: FakeMesh;
  readonly swim: Swim;
  readonly gossip: Gossip;
  readonly directory: Directory;
  heard: number;
}

/** A frame type that nothing else uses here. */
const TALK_TYPE = 255;
const LATENCY_MS_MAX = 20;
/** One node after the other starts, this far apart. */
const START_EVERY_MS = 10;
const TRIM_MS = 10_000;
const STEP_MS = 250;

export class LargeWorld {
  bytes = 0;
  readonly #options: LargeOptions;
  readonly #random: Random;
  readonly #clock = new VirtualClock();
  readonly #network: FakeNetwork;
  #nodes: Node[] = [];

  constructor(options: LargeOptions) {
    this.#options = options;
    const random = seededRandom(options.seed);
    this.#random = random;
    this.#network = new FakeNetwork({
      clock: this.#clock,
      latencyMs: () => 0.5 + random.next() * LATENCY_MS_MAX,
      noticeMs: () => random.next() * 500,
      dialMs: 30,
      autoLink: false,
      fullMeshCountMax: options.fullMeshCountMax,
      random,
      reuseBodies: false,
    });
  }

  get nodeCount(): number {
    return this.#nodes.length;
  }

  /** Links of each node. */
  get linkCounts(): readonly number[] {
    return this.#nodes.map(({ mesh }) => mesh.peers().length);
  }

  /** Starts every node with the address of one that started before. */
  async grow(): Promise<void> {
    for (let index = 0; index < this.#options.nodeCount; index++) {
      const known = pick(this.#random, this.#nodes);
      const node = await this.#start(didOf(index));
      if (known) this.#network.link(node.did, known.did);
      await this.pass(START_EVERY_MS);
    }
  }

  /** Lets time pass until `holds`. @returns ms that it took; Infinity when it did not come within `untilMs` */
  async passUntil(holds: () => boolean, untilMs: number): Promise<number> {
    for (let passedMs = 0; passedMs <= untilMs; passedMs += STEP_MS) {
      if (holds()) return passedMs;
      await this.pass(STEP_MS);
    }
    return Infinity;
  }

  /** Large frames are worked off by promises, which get their turn after each step. */
  async pass(durationMs: number): Promise<void> {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= STEP_MS) {
      this.#clock.advance(Math.min(leftMs, STEP_MS));
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  /** Every directory lists exactly the living. */
  get agreed(): boolean {
    const living = new Set(this.#nodes.map(({ did }) => did));
    return this.#nodes.every(({ directory }) => {
      const nodes = directory.nodes();
      return nodes.length === living.size && nodes.every(({ did, status }) => status === "alive" && living.has(did));
    });
  }

  /** Nobody is cut off: over the links that there are, one reaches all. */
  get connected(): boolean {
    const [first] = this.#nodes;
    const reached = new Set(first ? [first.did] : []);
    for (const did of reached) {
      const peers = this.#network.meshes.get(did)?.peers() ?? [];
      for (const peer of peers) if (this.#network.meshes.has(peer.did)) reached.add(peer.did);
    }
    return reached.size === this.#nodes.length;
  }

  /** Ends that share of all nodes in one moment. @returns how many */
  kill(ratio: number): number {
    const doomed = new Set(this.#nodes.filter(() => this.#random.next() < ratio));
    for (const node of doomed) this.#end(node);
    this.#nodes = this.#nodes.filter((node) => !doomed.has(node));
    return doomed.size;
  }

  /** Broadcasts from a random node. @returns ms until all others had it */
  async broadcast(untilMs: number): Promise<number> {
    for (const node of this.#nodes) node.heard = 0;
    pick(this.#random, this.#nodes)?.gossip.publish("talk", new Uint8Array(100));
    for (let passedMs = 0; passedMs <= untilMs; passedMs += 5) {
      if (this.#nodes.filter(({ heard }) => heard > 0).length >= this.#nodes.length - 1) return passedMs;
      await this.pass(5);
    }
    return Infinity;
  }

  /** A frame from a random node to another, over a link that is made for it. @returns true when it arrived */
  async talk(): Promise<boolean> {
    const [from, to] = [pick(this.#random, this.#nodes), pick(this.#random, this.#nodes)];
    if (!from || !to || from === to) return true;
    to.heard = 0;
    const linked = from.mesh.reach(to.did);
    await this.pass(500);
    await linked;
    from.mesh.send(to.did, { lane: "normal", type: TALK_TYPE, body: new Uint8Array(10) });
    await this.pass(100);
    return to.heard > 0;
  }

  /** What a running node does every few seconds. */
  trim(): void {
    for (const { mesh } of this.#nodes) mesh.trim(() => false);
  }

  /** Times of trimming until what was made for a call is gone. */
  async rest(): Promise<void> {
    for (let passedMs = 0; passedMs <= 80_000; passedMs += TRIM_MS) {
      this.trim();
      await this.pass(TRIM_MS);
    }
  }

  end(): void {
    for (const node of this.#nodes) this.#end(node);
  }

  async #start(did: Did): Promise<Node> {
    const mesh = this.#network.join(did);
    const send = mesh.send.bind(mesh);
    mesh.send = (to, frame) => {
      this.bytes += frame.body.length;
      return send(to, frame);
    };
    const ports = { mesh, clock: this.#clock, random: this.#random, logger: silentLogger, metrics: noMetrics };
    const swim = createSwim({ ...ports, epoch: 1 });
    const gossip = createGossip(ports);
    const keyPair = cheapKeyPair(did);
    const directory = createDirectory({ ...ports, keyPair, epoch: 1, liveness: swim, gossip, checks: cheapChecks });
    const node: Node = { did, mesh, swim, gossip, directory, heard: 0 };
    gossip.handle("talk", () => void node.heard++);
    mesh.handle(TALK_TYPE, () => void node.heard++);
    this.#nodes.push(node);
    await directory.start();
    const addresses = [`fake#${did}`];
    await directory.publish({ owner: did, name: "node", version: "1", addresses, offers: {}, cards: [] });
    await mesh.start();
    return node;
  }

  #end({ did, swim, gossip, directory }: Node): void {
    swim.stop();
    gossip.stop();
    void directory.stop();
    this.#network.crash(did);
  }
}
