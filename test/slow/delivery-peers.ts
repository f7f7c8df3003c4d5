/**
 * One node with a thousand peers, in memory: what a peer costs it, and how many messages are acknowledged per second in
 * all, beside the same node with two peers. Rounds interleaved, medians; must be within 30 %.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  noMetrics,
  silentLogger,
  systemClock as clock,
  systemRandom as random,
} from "../../packages/easynet/src/kernel/index.ts";
import { createDelivery, type Delivery } from "../../packages/easynet/src/messaging/index.ts";
import type { Did } from "../../packages/easynet/src/identity/index.ts";
import { fakeDid, fakeKeyPair, FakeNetwork, MemoryStore } from "../../packages/easynet/src/testing/index.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 5, batchCases: 5, issue: "04-messaging" };

const MANY = 1000;
const FEW = 2;
const MESSAGES = 200_000;
/** To one peer before it is the next one's turn: a batch, in both cases. */
const BURST = 200;
const PAYLOAD = new Uint8Array(256);
const RATIO_MIN = 0.7;
const PEER_BYTES_MAX = 64 * 1024;

class Hub {
  readonly delivery: Delivery;
  readonly peers: readonly Did[];
  readonly bytesPerPeer: number;
  readonly #others: readonly Delivery[];

  constructor(peerCount: number) {
    const network = new FakeNetwork({ clock });
    const hub = network.join(fakeDid(0));
    this.peers = Array.from({ length: peerCount }, (_, index) => fakeDid(index + 1));
    const meshes = this.peers.map((did) => network.join(did));
    const keyPair = fakeKeyPair(0);
    const ports = { keyPair, clock, random, logger: silentLogger, metrics: noMetrics, epoch: 1 };
    this.#others = meshes.map((mesh) => createDelivery({ mesh, store: new MemoryStore(), ...ports }));
    for (const other of this.#others) other.handle(() => undefined);
    for (const did of this.peers) network.link(hub.self, did);
    const before = heapBytes();
    this.delivery = createDelivery({ mesh: hub, store: new MemoryStore(), ...ports });
    this.bytesPerPeer = (heapBytes() - before) / peerCount;
    // The peers' watermarks came before the hub's delivery was there: link again.
    for (const did of this.peers) {
      network.cut(hub.self, did);
      network.link(hub.self, did);
    }
  }

  /** Messages acknowledged per second, all peers together. */
  async perSecond(): Promise<number> {
    const startedAtMs = performance.now();
    const last = new Map<Did, Promise<void>>();
    for (let sent = 0; sent < MESSAGES; sent++) {
      const to = this.peers[Math.floor(sent / BURST) % this.peers.length];
      if (!to) break;
      const message = this.delivery.send(to, { kind: "load", payload: PAYLOAD, durability: "disk" });
      if (sent % BURST === BURST - 1) last.set(to, message.acknowledged);
    }
    await Promise.all(last.values());
    return (MESSAGES / (performance.now() - startedAtMs)) * 1000;
  }

  async close(): Promise<void> {
    await Promise.all([this.delivery, ...this.#others].map(async (delivery) => delivery.close()));
  }
}

export async function run({ cases, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const [few, many] = [new Hub(FEW), new Hub(MANY)];
  const rates: { few: number[]; many: number[] } = { few: [], many: [] };
  // Not counted: the code is not compiled yet.
  await few.perSecond();
  await many.perSecond();
  for (let round = 0; round < cases; round++) {
    rates.few.push(await few.perSecond());
    rates.many.push(await many.perSecond());
    onProgress(round + 1);
  }
  await Promise.all([few.close(), many.close()]);
  const figures = {
    bytesPerPeer: Math.round(many.bytesPerPeer),
    perSecond2Peers: Math.round(median(rates.few)),
    perSecond1000Peers: Math.round(median(rates.many)),
  };
  const failures: string[] = [];
  const ratio = figures.perSecond1000Peers / figures.perSecond2Peers;
  if (ratio < RATIO_MIN) failures.push(`with ${MANY} peers ${ratio.toFixed(2)} of the rate with ${FEW}`);
  if (figures.bytesPerPeer > PEER_BYTES_MAX) failures.push(`a peer costs ${figures.bytesPerPeer} bytes`);
  return { cases, failures, figures };
}

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}
