/**
 * Real meshes over the in-memory twin, on a virtual clock: for tests of the mesh and simulations of many nodes.
 */
import { type Did, generateKeyPair, type KeyPair } from "../identity/index.ts";
import { assert, EasynetError, type MetricLabels, type Random, seededRandom, silentLogger } from "../kernel/index.ts";
import { createMesh, type Mesh, type MeshOptions } from "../mesh/index.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface MeshWorldOptions {
  readonly seed?: number;
  readonly latencyMs?: { readonly min: number; readonly max: number };
  /** Of every mesh; one node's own changes come on top. */
  readonly mesh?: Partial<MeshOptions>;
  /** What stands in for `createMesh`. */
  readonly create?: (options: MeshOptions) => Mesh;
}

/** A node of the world, with what it saw. */
export interface MeshNode {
  readonly mesh: Mesh;
  readonly did: Did;
  readonly keyPair: KeyPair;
  readonly port: number;
  /** `joined NAME`, `left NAME: reason`, in order. */
  readonly events: string[];
  /** Counters by `name` or `name{label}`. */
  readonly counts: Map<string, number>;
}

/** Bytes that {@link MeshWorld} takes for a membership. */
export const MEMBER = Uint8Array.of(1);
export const STRANGER = Uint8Array.of(2);

export class MeshWorld {
  readonly clock = new VirtualClock();
  readonly network: MemoryNetwork;
  readonly networkDid = generateKeyPair().did;
  readonly nodes: MeshNode[] = [];
  readonly random: Random;
  readonly #options: MeshWorldOptions;
  /** Away from the ports that the network gives by itself. */
  #portCount = 100_000;

  constructor(options: MeshWorldOptions = {}) {
    this.#options = options;
    this.random = seededRandom(options.seed ?? 1);
    const latencyMs = options.latencyMs ?? { min: 1, max: 10 };
    this.network = new MemoryNetwork({ clock: this.clock, random: this.random, latencyMs });
  }

  /** A started node. @param changes `keyPair` and `port` bring a node back after a crash */
  async node(
    name: string,
    changes: Partial<MeshOptions> & { readonly keyPair?: KeyPair; readonly port?: number } = {},
  ): Promise<MeshNode> {
    const { keyPair = generateKeyPair(), port = ++this.#portCount, ...options } = changes;
    const counts = new Map<string, number>();
    const count = (metric: string, labels?: MetricLabels): void => {
      const key = labels ? `${metric}{${Object.values(labels).join()}}` : metric;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    };
    const mesh = (this.#options.create ?? createMesh)({
      fabric: this.network.fabric(keyPair, port),
      network: this.networkDid,
      name,
      membership: MEMBER,
      verifyMember: verifyInTest,
      clock: this.clock,
      random: this.random,
      logger: silentLogger,
      metrics: { count, gauge: () => undefined },
      ...this.#options.mesh,
      ...options,
    });
    const events: string[] = [];
    mesh.on("peer-joined", (peer) => events.push(`joined ${peer.name}`));
    mesh.on("peer-left", (peer, reason) => events.push(`left ${peer.name}: ${reason}`));
    const node: MeshNode = { mesh, did: keyPair.did, keyPair, port, events, counts };
    this.nodes.push(node);
    await mesh.start();
    return node;
  }

  /** Where others dial the node. */
  addressOf(node: MeshNode): string {
    return `/memory/${node.port}/p2p/${node.did}`;
  }

  /** Lets time pass until the promise settles, at most a minute. */
  async settle<Value>(promise: Promise<Value>): Promise<Value> {
    const state = { settled: false };
    const watched = promise.finally(() => (state.settled = true));
    watched.catch(() => undefined);
    for (let step = 0; step < 6000 && !state.settled; step++) await this.clock.advanceAsync(10);
    if (!state.settled)
      throw new EasynetError("DEADLINE_EXCEEDED", { subject: "A promise of a test", timeoutMs: 60_000 });
    return watched;
  }

  /** A linked pair. */
  async pair(): Promise<[MeshNode, MeshNode]> {
    const one = await this.node("one");
    const other = await this.node("other");
    await this.settle(one.mesh.connect(this.addressOf(other)));
    await this.clock.advanceAsync(100);
    return [one, other];
  }

  /** Stops everybody and asserts that no timer and no connection is left. */
  async stop(): Promise<void> {
    this.network.heal();
    await this.settle(Promise.all(this.nodes.map(async (node) => node.mesh.stop())));
    await this.clock.advanceAsync(10_000);
    assert(this.clock.pendingCount === 0, `${this.clock.pendingCount} timers are left`);
    assert(this.network.connectionCount === 0, `${this.network.connectionCount} connections are left`);
  }
}

/** Verification takes a turn, as a real one does. */
async function verifyInTest(membership: Uint8Array, remote: Did): Promise<{ expiresAtMs: number }> {
  await Promise.resolve();
  if (membership[0] === MEMBER[0]) return { expiresAtMs: Infinity };
  throw new EasynetError("MEMBERSHIP_INVALID", { peer: remote, reason: "it was not issued by this network" });
}
