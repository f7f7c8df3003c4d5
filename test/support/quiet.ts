/** Full nodes (store, agents, doors), each in a process and a network namespace of its own, that nobody disturbs. */
import { setTimeout as sleep } from "node:timers/promises";
import { Namespaces, type RemoteNode } from "./namespaces.ts";
import type { Seen } from "./reach-messages.ts";

const LINK_TIMEOUT_MS = 60_000;
/** All is told and every timer has run once. */
const SETTLE_MS = 5000;
/** A neighbour whose event loop stands still for most of the time, as under a heavy computation or on a loaded machine. */
const STARVED = { blockMs: 300, restMs: 30 } as const;

export interface QuietOptions {
  readonly nodeCount: number;
  readonly quietMs: number;
  /** After the quiet: how long one of the nodes is starved. */
  readonly starvedMs: number;
  readonly onProgress?: (doneMs: number) => void;
}

export interface QuietReport {
  /** What all nodes noticed of each other, added up. */
  readonly quiet: Seen;
  readonly starved: Seen;
  /** Of one node, the mean of all. */
  readonly cpuPercent: number;
  readonly sentBytesPerSecond: number;
  readonly sentPacketsPerSecond: number;
  readonly rssMb: number;
  /** Heap and buffers outside it after a garbage collection. */
  readonly heapMb: number;
}

export async function quiet(options: QuietOptions): Promise<QuietReport> {
  await using world = new Namespaces();
  const labels = Array.from({ length: options.nodeCount }, (_, index) => `n${index}`);
  for (const label of [...labels, "hub"]) world.add(label);
  const ports = labels.map((label, index) => [label, `10.73.0.${index + 1}/24`] as const);
  world.bridge("hub", ports, { multicast: true });
  const nodes: RemoteNode[] = [];
  for (const label of labels) {
    const node = await world.start(label);
    if (nodes.length > 0) await node.connect("10.73.0.1:7441");
    nodes.push(node);
  }
  await untilLinked(nodes);
  await sleep(SETTLE_MS);
  const [seenBefore, usedBefore, startMs] = [await seenBy(nodes), await usedBy(nodes), performance.now()];
  await wait(options.quietMs, options.onProgress);
  const seconds = (performance.now() - startMs) / 1000;
  const [seenAfter, usedAfter] = [await seenBy(nodes), await usedBy(nodes)];
  const used = (key: keyof typeof usedAfter): number => (usedAfter[key] - usedBefore[key]) / seconds / nodes.length;
  const holdings = await Promise.all(nodes.map((node) => node.holdings()));
  const rssBytes = sum(holdings.map((held) => held.rssBytes));
  const heapBytes = sum(holdings.map((held) => held.heapBytes));
  await nodes.at(-1)?.starve(STARVED.blockMs, STARVED.restMs);
  await sleep(options.starvedMs);
  return {
    quiet: difference(seenBefore, seenAfter),
    starved: difference(seenAfter, await seenBy(nodes)),
    cpuPercent: used("cpuMs") / 10,
    sentBytesPerSecond: used("sentBytes"),
    sentPacketsPerSecond: used("sentPackets"),
    rssMb: rssBytes / nodes.length / 2 ** 20,
    heapMb: heapBytes / nodes.length / 2 ** 20,
  };
}

async function untilLinked(nodes: readonly RemoteNode[]): Promise<void> {
  const endMs = performance.now() + LINK_TIMEOUT_MS;
  for (;;) {
    const peers = await Promise.all(nodes.map((node) => node.peers()));
    if (peers.every((all) => all.length === nodes.length - 1)) return;
    if (performance.now() > endMs) throw new Error(`not all linked after ${LINK_TIMEOUT_MS} ms`);
    await sleep(100);
  }
}

async function wait(durationMs: number, onProgress?: (doneMs: number) => void): Promise<void> {
  const startMs = performance.now();
  for (let passedMs = 0; passedMs < durationMs; passedMs = performance.now() - startMs) {
    onProgress?.(passedMs);
    await sleep(Math.min(5000, durationMs - passedMs));
  }
}

async function seenBy(nodes: readonly RemoteNode[]): Promise<Seen> {
  const all = await Promise.all(nodes.map((node) => node.seen()));
  return {
    deaths: sum(all.map(({ deaths }) => deaths)),
    suspicions: sum(all.map(({ suspicions }) => suspicions)),
    linksLost: sum(all.map(({ linksLost }) => linksLost)),
  };
}

async function usedBy(
  nodes: readonly RemoteNode[],
): Promise<{ cpuMs: number; sentBytes: number; sentPackets: number }> {
  const all = await Promise.all(nodes.map((node) => node.use()));
  return {
    cpuMs: sum(all.map(({ cpuMs }) => cpuMs)),
    sentBytes: sum(all.map(({ sentBytes }) => sentBytes)),
    sentPackets: sum(all.map(({ sentPackets }) => sentPackets)),
  };
}

function difference(before: Seen, after: Seen): Seen {
  return {
    deaths: after.deaths - before.deaths,
    suspicions: after.suspicions - before.suspicions,
    linksLost: after.linksLost - before.linksLost,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
