/**
 * A world of many nodes with the whole of what knows who lives: failure detector, broadcast and directory, over sparse
 * links that lose, delay and double frames. Joins, leaves, crashes, restarts, changes, partitions and heals are drawn
 * from one seed; then comes quiet. Always: who left or died is not listed again as the same process by who knew it.
 * After the quiet: every directory lists exactly the living. In the second half of the quiet: nobody dies.
 */
import type { Did } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, pick, type Random, seededRandom, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import {
  createGossip,
  createSwim,
  type Gossip,
  type Swim,
  type SwimOptions,
} from "../../packages/easynet/src/mesh/index.ts";
import { createDirectory, type Directory, type DirectoryTimes } from "../../packages/easynet/src/state/index.ts";
import { fakeDid, type FakeMesh, FakeNetwork, VirtualClock } from "../../packages/easynet/src/testing/index.ts";
import { cheapChecks, cheapKeyPair } from "./directory-world.ts";

export type PlantedBug = "tombstone-lost" | "incarnation-not-raised" | "digest-collision-ignored";

export interface MembershipOptions {
  readonly seed: number;
  readonly nodeCount: number;
  /** How long things happen, in ms; then the network is whole for `quietMs`. */
  readonly activeMs: number;
  readonly quietMs: number;
  /** Between two things that happen, at most. @default 3,000 */
  readonly paceMs?: number;
  readonly bug?: PlantedBug;
}

interface Process {
  readonly mesh: FakeMesh;
  readonly swim: Swim;
  readonly gossip: Gossip;
  readonly directory: Directory;
  readonly epoch: number;
  /** What it published last. */
  name: string;
}

interface Place {
  readonly did: Did;
  process: Process | undefined;
  nextEpoch: number;
  /** Epochs of processes that ended, with the time. */
  readonly ended: Map<number, number>;
}

const LATENCY_MS_MAX = 20;
const NOTICE_MS_MAX = 500;
const LOSS_RATIO_MAX = 0.1;
const DOUBLE_RATIO = 0.05;
/** Who is reported dead was suspected, at the longest, this long before. */
const SUSPECT_MS_MAX = 15_000;

const BUGS: Readonly<Record<PlantedBug, { swim: Partial<SwimOptions>; times: Partial<DirectoryTimes> }>> = {
  "tombstone-lost": { swim: { config: { keepMs: 0 } }, times: { tombstoneMs: 0 } },
  "incarnation-not-raised": { swim: { rules: { raise: (seen) => seen } }, times: {} },
  "digest-collision-ignored": { swim: { rules: { digest: () => 0 } }, times: {} },
};

export class MembershipWorld {
  readonly problems: string[] = [];
  /** Bytes of frames that were sent while all was quiet. */
  quietBytes = 0;
  /** Virtual ms from the heal to the first moment at which all directories were right; Infinity for never. */
  convergedMs = Infinity;
  readonly #options: MembershipOptions;
  readonly #random: Random;
  readonly #clock = new VirtualClock();
  readonly #network: FakeNetwork;
  readonly #places: Place[];
  readonly #edges: Set<string>;
  readonly #lossRatio: number;
  #phase: "active" | "settling" | "quiet" = "active";

  constructor(options: MembershipOptions) {
    this.#options = options;
    const random = seededRandom(options.seed);
    this.#random = random;
    this.#lossRatio = random.next() * LOSS_RATIO_MAX;
    this.#places = Array.from({ length: options.nodeCount }, (_, index) => ({
      did: didOf(index),
      process: undefined,
      nextEpoch: 1,
      ended: new Map(),
    }));
    this.#edges = this.#sparseEdges();
    this.#network = new FakeNetwork({
      clock: this.#clock,
      latencyMs: () => 0.5 + random.next() * LATENCY_MS_MAX,
      noticeMs: () => random.next() * NOTICE_MS_MAX,
      autoLink: false,
      reuseBodies: false,
    });
  }

  /** Runs the whole life of the world. @returns what was wrong, empty when nothing was */
  async run(): Promise<readonly string[]> {
    const { activeMs, quietMs, paceMs = 3000 } = this.#options;
    for (const place of this.#places) if (this.#random.next() < 0.85) await this.#start(place);
    this.#pass(2000);
    for (let passedMs = 0; passedMs < activeMs;) {
      const stepMs = this.#random.next() * paceMs;
      passedMs += stepMs;
      this.#pass(stepMs);
      await this.#act();
    }
    this.#network.heal();
    this.#meet();
    this.#phase = "settling";
    this.#settle(quietMs / 2);
    this.#phase = "quiet";
    this.#pass(quietMs / 2);
    this.problems.push(...this.#differences());
    for (const place of this.#places) this.#end(place);
    return this.problems;
  }

  #settle(durationMs: number): void {
    for (let passedMs = 0; passedMs < durationMs; passedMs += 1000) {
      this.#pass(1000);
      if (this.convergedMs === Infinity && this.#differences().length === 0) this.convergedMs = passedMs + 1000;
    }
  }

  #pass(durationMs: number): void {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= 1000) {
      this.#link();
      this.#clock.advance(Math.min(leftMs, 1000));
    }
  }

  /** What real meshes do by redialling: the wanted links come up again when they can. */
  #link(): void {
    for (const edge of this.#edges) {
      const [from, to] = edge.split("-").map((index) => this.#places[Number(index)]);
      if (from?.process && to?.process) this.#network.link(from.did, to.did);
    }
  }

  async #act(): Promise<void> {
    const place = pick(this.#random, this.#places);
    if (!place) return;
    const chance = this.#random.next();
    if (!place.process) await this.#start(place);
    else if (chance < 0.3) await this.#publish(place.process);
    else if (chance < 0.42) await this.#leave(place);
    else if (chance < 0.58) this.#end(place);
    else if (chance < 0.7) {
      this.#end(place);
      this.#pass(this.#random.next() * 2000);
      await this.#start(place);
    } else if (chance < 0.88) this.#partition();
    else this.#network.heal();
  }

  async #start(place: Place): Promise<void> {
    const { bug } = this.#options;
    const epoch = place.nextEpoch++;
    const mesh = this.#network.join(place.did, { epoch });
    this.#disturb(mesh);
    const ports = { mesh, clock: this.#clock, random: this.#random, logger: silentLogger, metrics: noMetrics };
    const planted = bug && BUGS[bug];
    const swim = createSwim({ ...ports, epoch, ...planted?.swim });
    const gossip = createGossip(ports);
    const directory = createDirectory({
      ...ports,
      keyPair: cheapKeyPair(place.did),
      epoch,
      liveness: swim,
      gossip,
      ...(planted && { config: planted.times }),
      checks: cheapChecks,
    });
    const process: Process = { mesh, swim, gossip, directory, epoch, name: "" };
    place.process = process;
    this.#watch(place.did, directory);
    await this.#publish(process);
    this.#link();
  }

  /** Frames get lost and doubled while things happen. */
  #disturb(mesh: FakeMesh): void {
    const send = mesh.send.bind(mesh);
    mesh.send = (to, frame) => {
      if (this.#phase === "quiet") this.quietBytes += frame.body.length;
      if (this.#phase !== "active") return send(to, frame);
      if (this.#random.next() < this.#lossRatio) return true;
      if (this.#random.next() < DOUBLE_RATIO) send(to, frame);
      return send(to, frame);
    };
  }

  async #publish(process: Process): Promise<void> {
    process.name = `${process.epoch}.${Math.floor(this.#random.next() * 1e9)}`;
    const owner = process.mesh.self;
    const addresses = [`fake#${owner}`];
    await process.directory.publish({ owner, name: process.name, version: "1", addresses, offers: {}, cards: [] });
  }

  async #leave(place: Place): Promise<void> {
    const { process } = place;
    if (!process) return;
    place.ended.set(process.epoch, this.#clock.monotonicMs());
    await process.directory.leave();
    process.swim.leave();
    this.#pass(50);
    this.#end(place);
  }

  #end(place: Place): void {
    const { process } = place;
    if (!process) return;
    process.swim.stop();
    process.gossip.stop();
    void process.directory.stop();
    this.#network.crash(place.did);
    if (!place.ended.has(process.epoch)) place.ended.set(process.epoch, this.#clock.monotonicMs());
    place.process = undefined;
  }

  #partition(): void {
    const ratio = 0.2 + 0.6 * this.#random.next();
    const sides = new Map(this.#places.map(({ did }) => [did, this.#random.next() < ratio]));
    this.#network.partition((from, to) => sides.get(from) === sides.get(to));
  }

  /** What multicast or an administrator does for networks that never heard of each other. */
  #meet(): void {
    const living = [...this.#places.entries()].filter(([, { process }]) => process);
    for (const [position, [index]] of living.entries()) {
      const next = living[(position + 1) % living.length];
      if (next && next[0] !== index) this.#edges.add(`${index}-${next[0]}`);
    }
  }

  #watch(observer: Did, directory: Directory): void {
    const goneAtMs = new Map<Did, number>();
    directory.on("node-gone", (did, status) => {
      const nowMs = this.#clock.monotonicMs();
      goneAtMs.set(did, status === "left" ? nowMs : nowMs - SUSPECT_MS_MAX);
      const place = this.#places.find((known) => known.did === did);
      if (this.#phase === "quiet" && place?.process)
        this.#problem(observer, `declares ${short(did)} ${status} in quiet`);
    });
    directory.on("node-changed", ({ did, status, record }) => {
      const lostAtMs = goneAtMs.get(did);
      if (status !== "alive" || lostAtMs === undefined) return;
      goneAtMs.delete(did);
      const epoch = Number(record.name.split(".")[0]);
      const endedAtMs = this.#places.find((place) => place.did === did)?.ended.get(epoch) ?? Infinity;
      if (lostAtMs < endedAtMs) return;
      this.#problem(observer, `lists ${short(did)} of epoch ${epoch} again`);
    });
  }

  #differences(): string[] {
    const living = new Set(
      this.#places.flatMap(({ did, process }) => (process ? [`${short(did)} alive ${process.name}`] : [])),
    );
    return this.#places.flatMap(({ did, process }) => {
      if (!process) return [];
      const listed = new Set(
        process.directory.nodes().map((node) => `${short(node.did)} ${node.status} ${node.record.name}`),
      );
      const missing = [...living.difference(listed)];
      const wrong = [...listed.difference(living)];
      return [
        ...(missing.length > 0 ? [`${short(did)} misses ${missing.slice(0, 5).join(", ")}`] : []),
        ...(wrong.length > 0 ? [`${short(did)} wrongly lists ${wrong.slice(0, 5).join(", ")}`] : []),
      ];
    });
  }

  #problem(observer: Did, text: string): void {
    this.problems.push(`${Math.round(this.#clock.monotonicMs())} ms: ${short(observer)} ${text}`);
  }

  /** A ring, so that all are connected as long as enough live, and chords: about eight links each. */
  #sparseEdges(): Set<string> {
    const { nodeCount } = this.#options;
    const edges = new Set<string>();
    for (let from = 0; from < nodeCount; from++) {
      const chords = [
        1,
        2,
        2 + Math.floor(this.#random.next() * nodeCount),
        Math.floor(this.#random.next() * nodeCount),
      ];
      for (const step of chords) {
        const to = (from + step) % nodeCount;
        if (from !== to && !edges.has(`${to}-${from}`)) edges.add(`${from}-${to}`);
      }
    }
    return edges;
  }
}

const dids: Did[] = [];
const numbers = new Map<Did, number>();

/** Keys are dear: each is made once. */
function didOf(index: number): Did {
  const known = dids[index];
  if (known) return known;
  const did = fakeDid(index);
  dids[index] = did;
  numbers.set(did, index);
  return did;
}

function short(did: Did): string {
  return `n${numbers.get(did)}`;
}
