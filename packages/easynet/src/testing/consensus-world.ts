import type { Did } from "../identity/index.ts";
import { noMetrics, seededRandom, silentLogger } from "../kernel/index.ts";
import { type Consensus, type ConsensusEvent, createConsensus, type GroupReport } from "../state/index.ts";
import { MemoryStore } from "../storage/index.ts";
import { fakeDid, FakeNetwork } from "./fake-mesh.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface WorldNode {
  readonly did: Did;
  readonly consensus: Consensus;
  readonly store: MemoryStore;
  readonly events: ConsensusEvent[];
}

/** Nodes with consensus on a network and disks in memory; the first one founds the group. */
export class ConsensusWorld {
  readonly clock = new VirtualClock();
  readonly network = new FakeNetwork({ clock: this.clock });
  readonly nodes: WorldNode[] = [];
  readonly #stores: MemoryStore[] = [];
  readonly #random;
  #epochs = 0;

  constructor(seed = 1) {
    this.#random = seededRandom(seed);
  }

  /** A group of `count` nodes that has grown as far as it can. */
  static async grown(count: number, seed = 1): Promise<ConsensusWorld> {
    const world = new ConsensusWorld(seed);
    for (let index = 0; index < count; index++) await world.start(index);
    await world.pass(20_000);
    return world;
  }

  /** Starts node `index`, or starts it again with what its disk has. */
  async start(index: number): Promise<WorldNode> {
    const did = fakeDid(index + 1);
    const store = this.#stores[index] ?? new MemoryStore();
    this.#stores[index] = store;
    this.#epochs += 1;
    const mesh = this.network.join(did, { epoch: this.#epochs });
    for (const other of this.network.meshes.keys()) if (other !== did) mesh.learn(other, [`fake#${other}`]);
    for (const other of this.nodes) this.network.meshes.get(other.did)?.learn(did, [`fake#${did}`]);
    const consensus = createConsensus({
      mesh,
      store,
      clock: this.clock,
      random: this.#random,
      logger: silentLogger,
      metrics: noMetrics,
      founds: index === 0,
      times: { lookMs: 500, stableMs: 1000, lostMs: 60_000 },
    });
    const events: ConsensusEvent[] = [];
    consensus.on((event) => void events.push(event));
    const node = { did, consensus, store, events };
    this.nodes[index] = node;
    await consensus.start();
    await this.pass(0);
    return node;
  }

  /** The process of node `index` ends without a word; its disk keeps what had reached it. */
  async crash(index: number): Promise<void> {
    const { did, consensus, store } = this.at(index);
    this.network.crash(did);
    this.#stores[index] = store.cutPower();
    await Promise.all([consensus.stop(), this.pass(0)]);
  }

  /** The disk of a crashed node is replaced by an empty one. */
  wipe(index: number): void {
    this.#stores[index] = new MemoryStore();
  }

  at(index: number): WorldNode {
    const node = this.nodes[index];
    if (!node) throw new Error(`there is no node ${index}`);
    return node;
  }

  report(index: number): GroupReport {
    const [report] = this.at(index).consensus.reports();
    if (!report) throw new Error("a node knows no group");
    return report;
  }

  /** Index of the node that leads, -1 when nobody does. */
  leader(): number {
    return this.nodes.findIndex(
      ({ did, consensus }) => this.network.meshes.has(did) && consensus.reports()[0]?.role === "leader",
    );
  }

  voters(index: number): number {
    return this.report(index).members.filter(({ vote }) => vote === "voter").length;
  }

  async pass(durationMs: number): Promise<void> {
    await this.clock.advanceAsync(durationMs);
  }

  /** Runs a call to its end while time goes on. */
  async run<Result>(call: Promise<Result>, limitMs = 20_000): Promise<Result> {
    let ended = false;
    const watched = call.finally(() => {
      ended = true;
    });
    watched.catch(() => undefined);
    for (let passed = 0; !ended && passed < limitMs; passed += 50) await this.pass(50);
    return watched;
  }

  async stop(): Promise<void> {
    for (const { did } of this.nodes) this.network.crash(did);
    await Promise.all(this.nodes.map(async ({ consensus }) => consensus.stop()));
  }
}
