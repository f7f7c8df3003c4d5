import { isEasynetError, pick, type Random, seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import type { Did, KeyPair } from "../../packages/easynet/src/identity/index.ts";
import { keyPairFromSeed } from "../../packages/easynet/src/identity/index.ts";
import type { MeshOptions } from "../../packages/easynet/src/mesh/index.ts";
import { decidesFor, MeshService } from "../../packages/easynet/src/mesh/service.ts";
import { type MeshNode, MeshWorld } from "../../packages/easynet/src/testing/mesh-world.ts";
import { type Lane, LANES } from "../../packages/easynet/src/wire/index.ts";

export interface MeshSimulationOptions {
  readonly seed: number;
  readonly nodeCount: number;
  /** How many others each node learns of. */
  readonly learnCount: number;
  /** With partitions, crashes, freezes and cut connections, ms; 0 = none at all. */
  readonly stormMs: number;
  /** A planted fault that the checks must find. */
  readonly bug?: "nobody-decides" | "joined-not-told" | "frames-doubled";
}

/** What a node knows of one link of its own, as the upper layers see it. */
interface View {
  readonly peerNode: number;
  /** Highest sequence per lane. */
  readonly last: Map<Lane, number>;
}

interface Member {
  readonly index: number;
  node: MeshNode;
  alive: boolean;
  /** By did of the peer; only while linked. */
  readonly views: Map<Did, View>;
  joinedCount: number;
  leftCount: number;
}

/** Times are those of a real node, the longest waits shortened so that a storm holds many of them. */
const CONFIG = { redialCapMs: 4000, pingIntervalMs: 1000, helloTimeoutMs: 2000, dialTimeoutMs: 2000 };
const HEAL_MS = 45_000;
const QUIET_MS = 12_000;
const TYPE = 33;

/** The same keys in each run, so that a seed says everything. */
const KEYS = Array.from({ length: 64 }, (_, index) => keyPairFromSeed(new Uint8Array(32).fill(index + 1)));

/** Many meshes, bad weather, then peace: what must hold always is checked always, the rest at the end. */
export class MeshSimulation {
  readonly problems: string[] = [];
  deliveredCount = 0;
  readonly #options: MeshSimulationOptions;
  readonly #world: MeshWorld;
  readonly #random: Random;
  readonly #members: Member[] = [];
  /** Who should be linked: pairs of indices, the smaller first. */
  readonly #wanted = new Set<string>();
  /** Frames of the last round, delivered. */
  #round: Map<string, number[]> | undefined;

  constructor(options: MeshSimulationOptions) {
    const { bug, seed } = options;
    this.#options = options;
    this.#random = seededRandom(seed);
    const decides = bug === "nobody-decides" ? (): boolean => false : decidesFor;
    const maxMs = pick(this.#random, [2, 20, 150]) ?? 2;
    this.#world = new MeshWorld({
      seed,
      latencyMs: { min: 1, max: maxMs },
      mesh: { config: CONFIG },
      create: (meshOptions: MeshOptions) => new MeshService(meshOptions, decides),
    });
  }

  /** What went wrong, in sentences; empty when nothing did. */
  async run(): Promise<readonly string[]> {
    const { nodeCount, stormMs } = this.#options;
    for (let index = 0; index < nodeCount; index++) this.#members.push(await this.#start(index));
    for (const member of this.#members) this.#teach(member, this.#options.learnCount);
    await this.#storm(stormMs);
    await this.#heal();
    await this.#world.clock.advanceAsync(HEAL_MS);
    const leftBefore = this.#leftCount();
    await this.#finalRound();
    if (this.#leftCount() !== leftBefore) this.problems.push("a link ended although nothing happened");
    if (stormMs === 0 && leftBefore > 0) this.problems.push(`${leftBefore} links ended although nothing ever happened`);
    this.#checkLinks();
    await this.#world.stop().catch((error: unknown) => this.problems.push(String(error)));
    return this.problems.slice(0, 5);
  }

  async #start(index: number, port?: number): Promise<Member> {
    const keyPair: KeyPair | undefined = KEYS[index];
    if (!keyPair) throw new RangeError("too many nodes");
    const node = await this.#world.node(`n${index}`, { keyPair, ...(port !== undefined && { port }) });
    const member: Member = { index, node, alive: true, views: new Map(), joinedCount: 0, leftCount: 0 };
    this.#watch(member);
    return member;
  }

  #watch(member: Member): void {
    const { mesh } = member.node;
    mesh.on("peer-joined", (peer) => {
      member.joinedCount++;
      if (!member.alive) return;
      if (member.views.has(peer.did)) this.#problem(member, `was told twice that ${peer.name} joined`);
      if (this.#options.bug === "joined-not-told" && this.#random.next() < 0.02) return;
      member.views.set(peer.did, { peerNode: Number(peer.name.slice(1)), last: new Map() });
    });
    mesh.on("peer-left", (peer) => {
      member.leftCount++;
      if (!member.alive) return;
      if (!member.views.delete(peer.did))
        this.#problem(member, `was told that ${peer.name} left, but not that it came`);
    });
    mesh.handle(TYPE, (frame) => {
      if (!member.alive) return;
      const doubled = this.#options.bug === "frames-doubled" && this.#random.next() < 0.01;
      for (let times = doubled ? 2 : 1; times > 0; times--) this.#onFrame(member, frame);
    });
  }

  #onFrame(
    member: Member,
    frame: { from: Did; lane: Lane; sequence: number; correlation: number; body: Uint8Array },
  ): void {
    this.deliveredCount++;
    const view = member.views.get(frame.from);
    if (!view) {
      this.#problem(member, "got a frame of a peer that is not there");
      return;
    }
    const last = view.last.get(frame.lane) ?? 0;
    if (frame.sequence <= last) {
      this.#problem(member, `got frame ${frame.sequence} of lane ${frame.lane} after ${last}`);
    }
    view.last.set(frame.lane, frame.sequence);
    if (Buffer.compare(frame.body, bodyOf(frame.correlation, frame.body.length)) !== 0)
      this.#problem(member, "got a body that is not the sent one");
    const key = `${view.peerNode} ${member.index} ${frame.lane}`;
    this.#round?.set(key, [...(this.#round.get(key) ?? []), frame.correlation]);
  }

  #teach(member: Member, count: number): void {
    for (let learnt = 0; learnt < count; learnt++) {
      const other = this.#members[Math.floor(this.#random.next() * this.#members.length)];
      if (!other || other === member) continue;
      member.node.mesh.learn(other.node.did, [this.#world.addressOf(other.node)]);
      this.#wanted.add(pairOf(member.index, other.index));
    }
  }

  async #storm(durationMs: number): Promise<void> {
    const { clock } = this.#world;
    const untilMs = clock.monotonicMs() + durationMs;
    while (clock.monotonicMs() < untilMs) {
      await this.#act();
      for (let count = 0; count < 30; count++) this.#sendSomething();
      await clock.advanceAsync(this.#random.next() * 1500);
    }
  }

  async #act(): Promise<void> {
    const { network } = this.#world;
    const member = pick(this.#random, this.#members);
    const other = pick(this.#random, this.#members);
    if (!member || !other) return;
    const dice = this.#random.next();
    if (dice < 0.12) this.#partition();
    else if (dice < 0.22) network.heal();
    else if (dice < 0.3) network.freeze(member.node.did);
    else if (dice < 0.45) network.dropConnection(member.node.did, other.node.did);
    else if (dice < 0.55) await this.#crash(member);
    else if (dice < 0.8 && member !== other) this.#meet(member, other);
  }

  #partition(): void {
    const one: Did[] = [];
    const rest: Did[] = [];
    const ratio = this.#random.next();
    for (const { node } of this.#members) (this.#random.next() < ratio ? one : rest).push(node.did);
    this.#world.network.partition(one, rest);
  }

  /** Both dial at the same time. */
  #meet(member: Member, other: Member): void {
    if (!member.alive || !other.alive) return;
    this.#wanted.add(pairOf(member.index, other.index));
    for (const [from, to] of [
      [member, other],
      [other, member],
    ] as const) {
      from.node.mesh.learn(to.node.did, [this.#world.addressOf(to.node)]);
      from.node.mesh.connect(this.#world.addressOf(to.node)).catch((error: unknown) => {
        if (!isEasynetError(error) || error.code === "INTERNAL")
          this.#problem(from, `failed to connect: ${String(error)}`);
      });
    }
  }

  /** The process dies and, after a while, another one with the same key comes up at the same place. */
  async #crash(member: Member): Promise<void> {
    if (!member.alive) return;
    const { network } = this.#world;
    member.alive = false;
    network.crash(member.node.did, { silent: this.#random.next() < 0.5 });
    void member.node.mesh.stop();
    const again = await this.#start(member.index, member.node.port);
    this.#members[member.index] = again;
    for (const pair of this.#wanted) {
      const [one = -1, two = -1] = pair.split("-").map(Number);
      const partner = one === member.index ? this.#members[two] : two === member.index ? this.#members[one] : undefined;
      if (partner) again.node.mesh.learn(partner.node.did, [this.#world.addressOf(partner.node)]);
    }
  }

  async #heal(): Promise<void> {
    this.#world.network.heal();
    await this.#world.clock.advanceAsync(0);
  }

  #sendSomething(): void {
    const member = pick(this.#random, this.#members);
    const peer = member && pick(this.#random, member.node.mesh.peers());
    const lane = pick(this.#random, LANES);
    if (member && peer && lane)
      this.#send(member, peer.did, { lane, correlation: Math.floor(this.#random.next() * 1000) });
  }

  #send(member: Member, to: Did, { lane, correlation }: { readonly lane: Lane; readonly correlation: number }): void {
    const size = this.#random.next() < 0.05 ? 40_000 : Math.floor(this.#random.next() * 400);
    try {
      member.node.mesh.send(to, { lane, type: TYPE, correlation, body: bodyOf(correlation, size) });
    } catch (error) {
      const isExpected = isEasynetError(error, "BACKPRESSURE") || isEasynetError(error, "PEER_UNREACHABLE");
      if (!isExpected) this.#problem(member, `could not send: ${String(error)}`);
    }
  }

  /** In peace every frame arrives once and in order. */
  async #finalRound(): Promise<void> {
    this.#round = new Map();
    const expected = new Map<string, number[]>();
    for (const member of this.#members) {
      for (const peer of member.node.mesh.peers()) {
        for (const lane of LANES) {
          const numbers = Array.from({ length: 12 }, (_, index) => index);
          for (const correlation of numbers) this.#send(member, peer.did, { lane, correlation });
          expected.set(`${member.index} ${Number(peer.name.slice(1))} ${lane}`, numbers);
        }
      }
    }
    await this.#world.clock.advanceAsync(QUIET_MS);
    for (const [key, numbers] of expected) {
      const got = this.#round.get(key) ?? [];
      if (got.join() !== numbers.join()) this.problems.push(`${key}: sent ${numbers.join()}, got ${got.join()}`);
    }
    if (expected.size === 0) this.problems.push("nobody was linked");
  }

  #checkLinks(): void {
    let ends = 0;
    for (const member of this.#members) {
      for (const peer of member.node.mesh.peers()) {
        ends++;
        const other = this.#members[Number(peer.name.slice(1))];
        const back = other?.node.mesh.peer(member.node.did);
        if (!back) this.#problem(member, `is linked to ${peer.name}, which does not know`);
        else if (back.direction === peer.direction)
          this.#problem(member, `and ${peer.name} hold different connections`);
        if (peer.epoch !== other?.node.mesh.epoch)
          this.#problem(member, `is linked to a process of ${peer.name} that is gone`);
      }
    }
    for (const pair of this.#wanted) {
      const [one = 0, two = 0] = pair.split("-").map(Number);
      const to = this.#members[two]?.node.did;
      if (to && !this.#members[one]?.node.mesh.peer(to)) this.problems.push(`${pair} should be linked and are not`);
    }
    const { connectionCount } = this.#world.network;
    if (connectionCount !== ends / 2) this.problems.push(`${connectionCount} connections for ${ends / 2} links`);
  }

  #leftCount(): number {
    return this.#members.reduce((sum, member) => sum + member.leftCount, 0);
  }

  #problem(member: Member, text: string): void {
    const atMs = Math.round(this.#world.clock.monotonicMs());
    this.problems.push(`${atMs} ms: n${member.index} ${text}`);
  }
}

function pairOf(one: number, two: number): string {
  return `${Math.min(one, two)}-${Math.max(one, two)}`;
}

function bodyOf(correlation: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(correlation % 251);
}
