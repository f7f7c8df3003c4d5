/**
 * A world of many nodes with the whole of what knows the others: failure detector, broadcast and directory over a fake
 * mesh, or the directory alone. Joins, leaves, crashes, restarts, changes, partitions and heals are drawn from one
 * seed; then the network is whole, and comes to rest. What must hold stands in world-checks.ts.
 */
import type { Did } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, pick, type Random, seededRandom, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { createGossip, createSwim, type Gossip, type Swim } from "../../packages/easynet/src/mesh/index.ts";
import { createDirectory, type Directory } from "../../packages/easynet/src/state/index.ts";
import { type FakeMesh, FakeNetwork, VirtualClock } from "../../packages/easynet/src/testing/index.ts";
import { decodeValue, encodeValue, FRAME_TYPES } from "../../packages/easynet/src/wire/index.ts";
import { cheapChecks, cheapKeyPair } from "./cheap-signatures.ts";
import { didOf, type Place, recordName, WorldChecks } from "./world-checks.ts";
import { BUGS, type PlantedBug, type ProfileName, PROFILES, type WorldProfile } from "./world-profiles.ts";

export interface WorldOptions {
  readonly seed: number;
  readonly nodeCount: number;
  readonly profile: ProfileName;
  /** How long things happen, ms. */
  readonly activeMs: number;
  /** Between two things that happen, at most, ms. */
  readonly paceMs: number;
  /** Until all must agree, once the network is whole, ms. */
  readonly settleMsMax: number;
  /** Then nobody may die for this long, ms. */
  readonly quietMs: number;
  /** False: the directory alone, with links and leases. @default true */
  readonly detector?: boolean;
  /** `few`: about eight links each; `all`: whoever heard of each other is linked. @default few */
  readonly links?: "few" | "all";
  readonly bug?: PlantedBug;
}

interface Process {
  readonly mesh: FakeMesh;
  readonly knowing: { readonly swim: Swim; readonly gossip: Gossip } | undefined;
  readonly directory: Directory;
  readonly epoch: number;
  /** What it published last. */
  name: string;
}

export class World {
  readonly checks: WorldChecks<Process>;
  /** Bytes of frames that were sent while all was quiet. */
  quietBytes = 0;
  /** Virtual ms from the heal to the first moment at which all directories were right; Infinity for never. */
  convergedMs = Infinity;
  readonly #options: WorldOptions;
  readonly #profile: WorldProfile;
  readonly #random: Random;
  readonly #clock = new VirtualClock();
  readonly #network: FakeNetwork;
  readonly #places: Place<Process>[];
  /** The only pairs that are ever linked; undefined where all are. */
  readonly #edges: Map<string, readonly [Place<Process>, Place<Process>]> | undefined;
  #active = true;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#profile = PROFILES[options.profile];
    const random = seededRandom(options.seed);
    this.#random = random;
    const { latencyMsMax, noticeMsMax } = this.#profile;
    this.#places = Array.from({ length: options.nodeCount }, (_, index) => ({
      did: didOf(index),
      process: undefined,
      nextEpoch: 1,
      ended: new Map(),
    }));
    this.#edges = options.links === "all" ? undefined : new Map();
    if (this.#edges) this.#drawEdges();
    this.#network = new FakeNetwork({
      clock: this.#clock,
      latencyMs: () => 0.5 + random.next() * latencyMsMax,
      noticeMs: () => random.next() * noticeMsMax,
      dialMs: 100,
      autoLink: options.links === "all",
      reuseBodies: false,
    });
    this.checks = new WorldChecks({
      places: this.#places,
      nowMs: () => this.#clock.monotonicMs(),
      suspectMsMax: options.detector === false ? 3000 : 15_000,
    });
  }

  /** Runs the whole life of the world. @returns what was wrong, empty when nothing was */
  async run(): Promise<readonly string[]> {
    const { activeMs, paceMs, quietMs } = this.#options;
    for (const place of this.#places) if (this.#random.next() < 0.8) await this.#start(place);
    this.#pass(2000);
    for (let passedMs = 0; passedMs < activeMs;) {
      const stepMs = this.#random.next() * paceMs;
      passedMs += stepMs;
      this.#pass(stepMs);
      await this.#act();
    }
    this.#active = false;
    this.#heal();
    this.#meet();
    this.#settle();
    this.checks.quiet = true;
    this.quietBytes = 0;
    this.#pass(quietMs);
    this.checks.compare();
    for (const place of this.#places) this.#end(place);
    return this.checks.problems;
  }

  #settle(): void {
    for (let passedMs = 0; passedMs < this.#options.settleMsMax; passedMs += 1000) {
      this.#pass(1000);
      if (!this.checks.agreed) continue;
      this.convergedMs = passedMs + 1000;
      return;
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
    for (const [one, other] of this.#edges?.values() ?? []) {
      if (one.process && other.process) this.#network.link(one.did, other.did);
    }
  }

  async #act(): Promise<void> {
    const place = pick(this.#random, this.#places);
    if (!place) return;
    const { publish, leave, crash, restart, partition, heal } = this.#profile;
    let choice = this.#random.next() * (publish + leave + crash + restart + partition + heal);
    const falls = (weight: number): boolean => (choice -= weight) < 0;
    if (falls(partition)) this.#partition();
    else if (falls(heal)) this.#heal();
    else if (!place.process) await this.#start(place);
    else if (falls(publish)) await this.#publish(place.process);
    else if (falls(leave)) await this.#leave(place);
    else {
      this.#end(place);
      if (falls(crash)) return;
      this.#pass(this.#random.next() * 2000);
      await this.#start(place);
    }
  }

  async #start(place: Place<Process>): Promise<void> {
    const { bug, detector = true } = this.#options;
    const process = this.#process(place, bug === "epoch-not-raised" ? 1 : place.nextEpoch, place.nextEpoch++);
    place.process = process;
    this.checks.watch(place.did, process.directory);
    await process.directory.start();
    await this.#publish(process);
    await process.mesh.start();
    if (detector) this.#link();
    this.#bootstrap(place);
  }

  /** @param told the epoch that it gives itself */
  #process(place: Place<Process>, told: number, epoch: number): Process {
    const { bug, detector = true } = this.#options;
    const mesh = this.#network.join(place.did, { epoch });
    this.#disturb(mesh);
    if (bug === "epoch-not-raised") hideOwnEntries(mesh);
    const ports = { mesh, clock: this.#clock, random: this.#random, logger: silentLogger, metrics: noMetrics };
    const planted = bug && BUGS[bug];
    const knowing = detector
      ? { swim: createSwim({ ...ports, epoch: told, ...planted?.swim }), gossip: createGossip(ports) }
      : undefined;
    const directory = createDirectory({
      ...ports,
      keyPair: cheapKeyPair(place.did),
      epoch: told,
      ...(knowing && { liveness: knowing.swim, gossip: knowing.gossip }),
      ...planted?.directory,
      checks: cheapChecks,
    });
    return { mesh, knowing, directory, epoch, name: "" };
  }

  /** A joiner knows somebody, and so does a node that found nobody. */
  #bootstrap({ did }: Place<Process>): void {
    if (this.#edges) return;
    const living = this.#places.filter((place) => place.process && place.did !== did);
    const known = pick(this.#random, living);
    if (known) this.#network.link(did, known.did);
  }

  /** Frames get lost and doubled while things happen. */
  #disturb(mesh: FakeMesh): void {
    const { lossRatio, doubleRatio } = this.#profile;
    const send = mesh.send.bind(mesh);
    mesh.send = (to, frame) => {
      this.quietBytes += frame.body.length;
      if (!this.#active) return send(to, frame);
      if (this.#random.next() < lossRatio) return true;
      if (this.#random.next() < doubleRatio) send(to, frame);
      return send(to, frame);
    };
  }

  async #publish(process: Process): Promise<void> {
    process.name = recordName(process.epoch, Math.floor(this.#random.next() * 1e9));
    const owner = process.mesh.self;
    const addresses = [`fake#${owner}`];
    await process.directory.publish({ owner, name: process.name, version: "1", addresses, offers: {}, cards: [] });
  }

  async #leave(place: Place<Process>): Promise<void> {
    const { process } = place;
    if (!process) return;
    place.ended.set(process.epoch, this.#clock.monotonicMs());
    const leaving = process.directory.leave();
    this.#pass(50);
    await leaving;
    process.knowing?.swim.leave();
    this.#pass(50);
    this.#end(place);
  }

  #end(place: Place<Process>): void {
    const { process } = place;
    if (!process) return;
    process.knowing?.swim.stop();
    process.knowing?.gossip.stop();
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

  #heal(): void {
    this.#network.heal();
    for (const place of this.#places) if (place.process?.mesh.peers().length === 0) this.#bootstrap(place);
  }

  /** What multicast or an administrator does for networks that never heard of each other. */
  #meet(): void {
    const living = this.#places.filter(({ process }) => process);
    for (const [position, place] of living.entries()) {
      const next = living[(position + 1) % living.length];
      if (!next || next === place) continue;
      if (this.#edges) this.#edges.set(`${place.did}-${next.did}`, [place, next]);
      else this.#network.link(place.did, next.did);
    }
  }

  /** A ring, so that all are connected as long as enough live, and chords: about eight links each. */
  #drawEdges(): void {
    const count = this.#places.length;
    for (const [from, place] of this.#places.entries()) {
      const far = [2 + Math.floor(this.#random.next() * count), Math.floor(this.#random.next() * count)];
      for (const step of [1, 2, ...far]) {
        const other = this.#places[(from + step) % count];
        if (!other || other === place || this.#edges?.has(`${other.did}-${place.did}`)) continue;
        this.#edges?.set(`${place.did}-${other.did}`, [place, other]);
      }
    }
  }
}

/** Half of the planted `epoch-not-raised`: what others hold of it does not reach the restarted process. */
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
