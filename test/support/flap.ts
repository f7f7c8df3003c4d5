/** Three nodes in processes of their own whose cables are pulled and put back, while they call each other. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Random, seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import { leaksOf, leastOf } from "./leak-core.ts";
import { Namespaces, type RemoteNode } from "./namespaces.ts";
import type { Holdings } from "./reach-messages.ts";

const LABELS = ["a", "b", "c"] as const;
const CABLES = [
  ["a", "b", "10.74.1"],
  ["b", "c", "10.74.2"],
  ["c", "a", "10.74.3"],
] as const;
const DOWN_MS_LEAST = 300;
const UP_MS = { least: 500, most: 6000 };
const CALL_PAUSE_MS = 200;
/** Whoever is linked through another member looks every 30 s whether there is a direct way again. */
const SETTLE_TIMEOUT_MS = 300_000;
const LOOK_COUNT = 5;
const LOOK_PAUSE_MS = 1000;

export interface FlapOptions {
  readonly seed: number;
  /** Flaps before the first look: compiles the code and fills the caches. */
  readonly warmUpMs: number;
  readonly flapMs: number;
  /** The longest outage. Links end when it is longer than a silent link is believed (6 s). */
  readonly downMsMax: number;
  /** Peace between the last flap and a look. */
  readonly settleMs: number;
  /** Plants a fault: a node keeps something from each call that it answers. */
  readonly fault?: "leak";
  readonly onProgress?: (doneMs: number) => void;
}

export interface FlapReport {
  /** One sentence each. */
  readonly leaks: readonly string[];
  readonly flaps: number;
  /** Ends of links that were lost during the flaps. */
  readonly linksLost: number;
  readonly completed: number;
  readonly failed: number;
  readonly start: readonly Holdings[];
  readonly end: readonly Holdings[];
}

export async function flap(options: FlapOptions): Promise<FlapReport> {
  await using world = new Namespaces();
  for (const label of LABELS) world.add(label);
  for (const [one, other, net] of CABLES) world.join(one, other, [`${net}.1/24`, `${net}.2/24`]);
  const nodes: RemoteNode[] = [];
  for (const label of LABELS) nodes.push(await world.start(label));
  const [a, b, c] = nodes;
  await a?.connect("10.74.1.2:7441");
  await c?.connect("10.74.2.1:7441");
  const flapping = new Flapping(world, nodes, options);
  await flapping.run(options.warmUpMs);
  const start = await settle(nodes, options.settleMs);
  if (options.fault === "leak") await b?.leak();
  const before = await linksLost(nodes);
  const counts = await flapping.run(options.flapMs, options.onProgress);
  const lost = (await linksLost(nodes)) - before;
  const end = await settle(nodes, options.settleMs);
  const leaks = LABELS.flatMap((label, index) => {
    const [first, last] = [start[index], end[index]];
    return first && last ? leaksOf(label, first, last) : [];
  });
  return { leaks, ...counts, linksLost: lost, start, end };
}

async function linksLost(nodes: readonly RemoteNode[]): Promise<number> {
  const seen = await Promise.all(nodes.map((node) => node.seen()));
  return seen.reduce((sum, { linksLost: lost }) => sum + lost, 0);
}

/** Looks at each process once all are linked directly again and had `settleMs` of peace in which no link ended. */
async function settle(nodes: readonly RemoteNode[], settleMs: number): Promise<Holdings[]> {
  const startMs = performance.now();
  for (;;) {
    await untilLinked(nodes, startMs);
    // A link that a cable ended looks well until its ends notice.
    const before = await linksLost(nodes);
    await sleep(settleMs);
    const looks = await lookAt(nodes);
    if (before === (await linksLost(nodes)) && (await areLinked(nodes))) return looks.map(leastOf);
  }
}

async function untilLinked(nodes: readonly RemoteNode[], startMs: number): Promise<void> {
  while (!(await areLinked(nodes))) {
    if (performance.now() - startMs > SETTLE_TIMEOUT_MS) {
      const links = await Promise.all(
        nodes.map(async (node, index) => `${LABELS[index]} has ${JSON.stringify(await node.peers())}`),
      );
      throw new Error(`not linked directly after ${SETTLE_TIMEOUT_MS} ms: ${links.join("; ")}`);
    }
    await sleep(100);
  }
}

async function areLinked(nodes: readonly RemoteNode[]): Promise<boolean> {
  const peers = await Promise.all(nodes.map((node) => node.peers()));
  return peers.every((all) => all.length === nodes.length - 1 && all.every(({ via }) => via === undefined));
}

async function lookAt(nodes: readonly RemoteNode[]): Promise<Holdings[][]> {
  const looks: Holdings[][] = nodes.map(() => []);
  for (let count = 0; count < LOOK_COUNT; count++) {
    for (const [index, node] of nodes.entries()) looks[index]?.push(await node.holdings());
    await sleep(LOOK_PAUSE_MS);
  }
  return looks;
}

interface Counts {
  readonly flaps: number;
  readonly completed: number;
  readonly failed: number;
}

class Flapping {
  readonly #world: Namespaces;
  readonly #nodes: readonly RemoteNode[];
  readonly #random: Random;
  readonly #downMs: { readonly least: number; readonly most: number };

  constructor(world: Namespaces, nodes: readonly RemoteNode[], { seed, downMsMax }: FlapOptions) {
    this.#world = world;
    this.#nodes = nodes;
    this.#random = seededRandom(seed);
    this.#downMs = { least: DOWN_MS_LEAST, most: downMsMax };
  }

  /** Flaps each cable on its own for `durationMs`; all are in place and no call is open when it resolves. */
  async run(durationMs: number, onProgress?: (doneMs: number) => void): Promise<Counts> {
    const startMs = performance.now();
    const end = AbortSignal.timeout(durationMs);
    const progress = setInterval(() => onProgress?.(performance.now() - startMs), 1000);
    const flaps = CABLES.map(([one, other]) => this.#flap(one, `to-${other}`, end));
    const calls = this.#nodes.map((node, index) => this.#call(node, index, end));
    try {
      const [flapCounts, callCounts] = await Promise.all([Promise.all(flaps), Promise.all(calls)]);
      const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
      return {
        flaps: total(flapCounts),
        completed: total(callCounts.map(({ completed }) => completed)),
        failed: total(callCounts.map(({ failed }) => failed)),
      };
    } finally {
      clearInterval(progress);
    }
  }

  async #flap(label: string, cable: string, end: AbortSignal): Promise<number> {
    for (let count = 0; ; count++) {
      await this.#pause(UP_MS, end);
      if (end.aborted) return count;
      this.#world.ip(label, "link", "set", cable, "down");
      await this.#pause(this.#downMs, end);
      this.#world.ip(label, "link", "set", cable, "up");
    }
  }

  /** One call at a time to one of the other nodes. */
  async #call(from: RemoteNode, index: number, end: AbortSignal): Promise<{ completed: number; failed: number }> {
    const counts = { completed: 0, failed: 0 };
    for (let count = 1; !end.aborted; count++) {
      const to = LABELS[(index + 1 + (count % 2)) % LABELS.length] ?? "a";
      const value = `${index}.${count}`;
      const outcome = await from.call(`echo-${to}`, value);
      if (outcome.value === undefined) counts.failed++;
      else if (outcome.value === `${to}: ${value}`) counts.completed++;
      else throw new Error("another call's answer");
      await sleep(CALL_PAUSE_MS);
    }
    return counts;
  }

  async #pause({ least, most }: { readonly least: number; readonly most: number }, end: AbortSignal): Promise<void> {
    const pauseMs = least + this.#random.next() * (most - least);
    await sleep(pauseMs, undefined, { signal: end }).catch(() => undefined);
  }
}
