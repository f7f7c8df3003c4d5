import { setTimeout as sleep } from "node:timers/promises";
import { type CallOutcome, Namespaces, type RemoteNode } from "./namespaces.ts";

/** Calls under way at a time. */
const CALLERS_COUNT = 4;
const PAUSE_MS = 20;
const HEAL_TIMEOUT_MS = 40_000;

export interface HealReport {
  /** From the return of the network to links on both sides and a call that worked. */
  readonly healMs: number;
  readonly completed: number;
  readonly failed: number;
  /** Calls that never ended. */
  readonly open: number;
  /** Codes of the failed ones, each once. */
  readonly codes: readonly string[];
}

interface Pair {
  readonly world: Namespaces;
  readonly a: RemoteNode;
  readonly b: RemoteNode;
}

/** The cable between two nodes is out for `outageMs` while calls go over it. */
export function healAfterOutage(outageMs: number): Promise<HealReport> {
  return measure(async ({ world }) => {
    world.ip("a", "link", "set", "to-b", "down");
    await sleep(outageMs);
    world.ip("a", "link", "set", "to-b", "up");
  });
}

/** One of two nodes gets another address, and loses the old one, while calls go on. */
export function healAfterNewAddress(): Promise<HealReport> {
  return measure(async ({ world }) => {
    world.ip("a", "addr", "del", "10.72.1.1/24", "dev", "to-b");
    world.ip("a", "addr", "add", "10.72.1.77/24", "dev", "to-b");
  });
}

async function measure(disturb: (pair: Pair) => Promise<void>): Promise<HealReport> {
  await using world = new Namespaces();
  world.add("a");
  world.add("b");
  world.join("a", "b", ["10.72.1.1/24", "10.72.1.2/24"]);
  const [a, b] = [await world.start("a"), await world.start("b")];
  await a.connect("10.72.1.2:7441");
  await untilWorks(a, b);
  const load = new Load(a);
  await sleep(500);
  await disturb({ world, a, b });
  const returnedAtMs = performance.now();
  await untilWorks(a, b);
  const healMs = Math.round(performance.now() - returnedAtMs);
  await sleep(500);
  await load.stop();
  return { healMs, ...load.report() };
}

/** Until each side has its link and a call gets through from each. */
async function untilWorks(a: RemoteNode, b: RemoteNode): Promise<void> {
  const endMs = performance.now() + HEAL_TIMEOUT_MS;
  for (;;) {
    const linked = (await a.peers()).length > 0 && (await b.peers()).length > 0;
    if (linked) {
      const outcomes = await Promise.all([a.call("echo-b", "probe"), b.call("echo-a", "probe")]);
      if (outcomes.every((outcome) => outcome.value !== undefined)) return;
    }
    if (performance.now() > endMs) throw new Error(`not healed within ${HEAL_TIMEOUT_MS} ms`);
    await sleep(PAUSE_MS);
  }
}

/** Calls over the link, one after the other in each of a few callers; nothing is dropped from the count. */
class Load {
  readonly #callers: readonly Promise<void>[];
  readonly #outcomes: CallOutcome[] = [];
  #started = 0;
  #running = true;

  constructor(from: RemoteNode) {
    this.#callers = Array.from({ length: CALLERS_COUNT }, () => this.#run(from));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#callers);
  }

  report(): Omit<HealReport, "healMs"> {
    const codes = this.#outcomes.flatMap(({ code }) => code ?? []);
    const completed = this.#outcomes.length - codes.length;
    const open = this.#started - this.#outcomes.length;
    return { completed, failed: codes.length, open, codes: [...new Set(codes)] };
  }

  async #run(from: RemoteNode): Promise<void> {
    while (this.#running) {
      const value = String(++this.#started);
      const outcome = await from.call("echo-b", value);
      if (outcome.value !== undefined && outcome.value !== `b: ${value}`) throw new Error("another call's answer");
      this.#outcomes.push(outcome);
      await sleep(PAUSE_MS);
    }
  }
}
