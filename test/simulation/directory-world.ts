/**
 * A world of nodes with directories over a fake mesh: joins, leaves, crashes, restarts, changes, partitions and heals
 * drawn from one seed, then quiet. Two things must hold. Always: who a node has reported as gone, after it truly had
 * gone, it never lists again as the same process. After the quiet: every directory lists exactly the living, with
 * their latest records.
 */
import type { Did, KeyPair } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, pick, type Random, seededRandom, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import {
  createDirectory,
  type Directory,
  type DirectoryChecks,
  type DirectoryTimes,
} from "../../packages/easynet/src/state/index.ts";
import { fakeDid, type FakeMesh, FakeNetwork, VirtualClock } from "../../packages/easynet/src/testing/index.ts";
import { decodeValue, encodeValue, FRAME_TYPES } from "../../packages/easynet/src/wire/index.ts";

export interface WorldOptions {
  readonly seed: number;
  readonly nodeCount: number;
  /** How long things happen, in ms; then the network is whole and quiet for `quietMs`. */
  readonly activeMs: number;
  readonly quietMs: number;
  /** Faults of the directory itself that the checks must find. */
  readonly bug?: "epoch-not-raised" | "tombstones-dropped";
}

interface Process {
  readonly mesh: FakeMesh;
  readonly directory: Directory;
  readonly epoch: number;
  /** What it published last. */
  name: string;
}

interface Place {
  readonly did: Did;
  process: Process | undefined;
  /** Epoch that the next process gets. */
  nextEpoch: number;
  /** Epochs of processes that ended, with the time. */
  readonly ended: Map<number, number>;
}

const LATENCY_MS_MAX = 30;
/** The directory's default. */
const DEAD_AFTER_MS = 3000;
/** Until the far end of a lost link notices. */
const NOTICE_MS_MAX = 1500;

const dids = Array.from({ length: 64 }, (_, index) => fakeDid(index));

export class World {
  readonly problems: string[] = [];
  readonly #options: WorldOptions;
  readonly #random: Random;
  readonly #clock = new VirtualClock();
  readonly #network: FakeNetwork;
  readonly #places: Place[];
  /** In a sparse world, the only pairs that are ever linked. */
  readonly #edges: Set<string> | undefined;
  readonly #times: Partial<DirectoryTimes>;
  #sideOf: (did: Did) => number = () => 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    const random = seededRandom(options.seed);
    this.#random = random;
    this.#places = dids
      .slice(0, options.nodeCount)
      .map((did) => ({ did, process: undefined, nextEpoch: 1, ended: new Map() }));
    this.#edges = random.next() < 0.5 ? this.#sparseEdges() : undefined;
    this.#network = new FakeNetwork({
      clock: this.#clock,
      latencyMs: () => 0.5 + random.next() * LATENCY_MS_MAX,
      noticeMs: () => random.next() * NOTICE_MS_MAX,
      dialMs: 100,
      autoLink: !this.#edges,
      reuseBodies: false,
    });
    this.#times = options.bug === "tombstones-dropped" ? { tombstoneMs: 0 } : {};
  }

  /** Runs the whole life of the world. @returns what was wrong, empty when nothing was */
  async run(): Promise<readonly string[]> {
    for (const place of this.#places) if (this.#random.next() < 0.7) await this.#start(place);
    const { activeMs, quietMs } = this.#options;
    for (let passedMs = 0; passedMs < activeMs;) {
      const stepMs = this.#random.next() * 4000;
      passedMs += stepMs;
      this.#pass(stepMs);
      await this.#act();
    }
    this.#heal();
    this.#meet();
    this.#pass(quietMs);
    this.#compare();
    for (const { process } of this.#places) await process?.directory.stop();
    return this.problems;
  }

  get deliveredCount(): number {
    return this.#network.deliveredCount;
  }

  #pass(durationMs: number): void {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= 1000) {
      this.#link();
      this.#clock.advance(Math.min(leftMs, 1000));
    }
  }

  /** What real meshes do by redialling: the wanted links come up again when they can. */
  #link(): void {
    if (!this.#edges) return;
    for (const edge of this.#edges) {
      const [from, to] = edge.split("-").map((index) => this.#places[Number(index)]!);
      if (from?.process && to?.process) this.#network.link(from.did, to.did);
    }
  }

  async #act(): Promise<void> {
    const place = pick(this.#random, this.#places);
    if (!place) return;
    const chance = this.#random.next();
    if (!place.process) await this.#start(place);
    else if (chance < 0.3) await this.#publish(place.process);
    else if (chance < 0.45) await this.#leave(place);
    else if (chance < 0.6) this.#crash(place);
    else if (chance < 0.75) {
      this.#crash(place);
      this.#pass(this.#random.next() * 2000);
      await this.#start(place);
    } else if (chance < 0.9) this.#partition();
    else this.#heal();
  }

  async #start(place: Place): Promise<void> {
    const { bug } = this.#options;
    const epoch = bug === "epoch-not-raised" ? 1 : place.nextEpoch;
    place.nextEpoch++;
    const mesh = this.#network.join(place.did, { epoch: place.nextEpoch });
    if (bug === "epoch-not-raised") hideOwnEntries(mesh);
    const directory = createDirectory({
      mesh,
      clock: this.#clock,
      random: this.#random,
      keyPair: cheapKeyPair(place.did),
      logger: silentLogger,
      metrics: noMetrics,
      epoch,
      config: this.#times,
      checks: cheapChecks,
    });
    const process: Process = { mesh, directory, epoch: place.nextEpoch - 1, name: "" };
    place.process = process;
    this.#watch(place.did, directory);
    await directory.start();
    await this.#publish(process);
    await mesh.start();
    this.#bootstrap(place);
  }

  /** A joiner knows somebody. */
  #bootstrap({ did }: Place): void {
    if (this.#edges) return;
    const living = this.#places.filter((place) => place.process && place.did !== did);
    const known = pick(this.#random, living);
    if (known) this.#network.link(did, known.did);
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
    const leaving = process.directory.leave();
    this.#pass(50);
    await leaving;
    this.#end(place);
  }

  #crash(place: Place): void {
    if (place.process) this.#end(place);
  }

  #end(place: Place): void {
    const { process } = place;
    if (!process) return;
    void process.directory.stop();
    this.#network.crash(place.did);
    if (!place.ended.has(process.epoch)) place.ended.set(process.epoch, this.#clock.monotonicMs());
    place.process = undefined;
  }

  #partition(): void {
    const sides = new Map(this.#places.map(({ did }) => [did, Math.floor(this.#random.next() * 2)]));
    this.#sideOf = (did) => sides.get(did) ?? 0;
    this.#network.partition((from, to) => this.#sideOf(from) === this.#sideOf(to));
  }

  #heal(): void {
    this.#network.heal();
    // A node that found nobody tries again.
    for (const place of this.#places) if (place.process?.mesh.peers().length === 0) this.#bootstrap(place);
  }

  /** What multicast or an administrator does for networks that never heard of each other. */
  #meet(): void {
    const living = [...this.#places.entries()].filter(([, { process }]) => process);
    for (const [position, [index, { did }]] of living.entries()) {
      const next = living[position + 1];
      if (!next) break;
      if (this.#edges) this.#edges.add(`${index}-${next[0]}`);
      else this.#network.link(did, next[1].did);
    }
  }

  /** Reports the return of a process that the observer had lost sight of only after its end. */
  #watch(observer: Did, directory: Directory): void {
    const goneAtMs = new Map<Did, number>();
    directory.on("node-gone", (did, status) => {
      // Who is dead was suspect for some time before.
      const nowMs = this.#clock.monotonicMs();
      goneAtMs.set(did, status === "left" ? nowMs : nowMs - DEAD_AFTER_MS);
    });
    directory.on("node-changed", ({ did, status, record }) => {
      const lostAtMs = goneAtMs.get(did);
      if (status !== "alive" || lostAtMs === undefined) return;
      goneAtMs.delete(did);
      const epoch = Number(record.name.split(".")[0]);
      const endedAtMs = this.#places.find((place) => place.did === did)?.ended.get(epoch) ?? Infinity;
      if (endedAtMs === Infinity || lostAtMs < endedAtMs) return;
      const nowMs = Math.round(this.#clock.monotonicMs());
      this.problems.push(`${nowMs} ms: ${short(observer)} lists ${short(did)} of epoch ${epoch} again`);
    });
  }

  #compare(): void {
    const living = this.#places.flatMap(({ did, process }) => (process ? [`${short(did)} alive ${process.name}`] : []));
    for (const { did, process } of this.#places) {
      if (!process) continue;
      const listed = process.directory.nodes().map((node) => `${short(node.did)} ${node.status} ${node.record.name}`);
      const missing = living.filter((line) => !listed.includes(line));
      const wrong = listed.filter((line) => !living.includes(line));
      if (missing.length > 0) this.problems.push(`${short(did)} misses ${missing.join(", ")}`);
      if (wrong.length > 0) this.problems.push(`${short(did)} wrongly lists ${wrong.join(", ")}`);
    }
  }

  /** A ring, so that all are connected as long as enough live, and chords. */
  #sparseEdges(): Set<string> {
    const { nodeCount } = this.#options;
    const edges = new Set<string>();
    for (let from = 0; from < nodeCount; from++) {
      for (const step of [1, 2, 3, 1 + Math.floor(this.#random.next() * nodeCount)]) {
        const to = (from + step) % nodeCount;
        if (from !== to && !edges.has(`${to}-${from}`)) edges.add(`${from}-${to}`);
      }
    }
    return edges;
  }
}

function short(did: Did): string {
  return `n${dids.indexOf(did)}`;
}

export function cheapKeyPair(did: Did): Pick<KeyPair, "did" | "sign"> {
  return { did, sign: (bytes) => new Uint8Array([checksum(did, bytes)]) };
}

/** Real signatures would take nine tenths of the time. */
export const cheapChecks: DirectoryChecks = {
  verifySignature: (did, bytes, signature) => checksum(did, bytes) === signature[0],
  cardClaim: () => undefined,
};

function checksum(did: Did, bytes: Uint8Array): number {
  let sum = did.charCodeAt(20);
  for (const byte of bytes) sum = (sum * 31 + byte) & 0xff;
  return sum;
}

/** The planted fault: a restarted process starts at its old epoch and does not notice what others hold of it. */
function hideOwnEntries(mesh: FakeMesh): void {
  const handle = mesh.handle.bind(mesh);
  mesh.handle = (type, handler) => {
    handle(type, (frame) => {
      if (type !== FRAME_TYPES["directory-entries"]) return handler(frame);
      const items = decodeValue(frame.body);
      const others = Array.isArray(items) ? items.filter((item) => !isEntryOf(item, mesh.self)) : [];
      return handler({ ...frame, body: encodeValue(others) });
    });
  };
}

function isEntryOf(item: unknown, owner: Did): boolean {
  const header: unknown = Array.isArray(item) ? item[0] : undefined;
  const fields = header instanceof Uint8Array ? decodeValue(header) : undefined;
  return Array.isArray(fields) && fields[0] === owner;
}
