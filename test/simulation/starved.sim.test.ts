import { expect, test } from "vitest";
import { type Clock, noMetrics, seededRandom, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { createSwim, type SwimOptions } from "../../packages/easynet/src/mesh/index.ts";
import { fakeDid, type FakeMesh, FakeNetwork, VirtualClock } from "../../packages/easynet/src/testing/index.ts";
import { seedCount, seeds } from "./seeds.ts";

interface Outcome {
  /** Times that some node believed that one of those that are well is suspect. */
  readonly suspect: number;
  /** Times that some node believed that any other one is dead. */
  readonly dead: number;
}

const NODE_COUNT = 12;
const LIFE_MS = 120_000;
/** The starved process runs for an instant once in this time: garbage collection, a busy neighbour, swap. */
const STALL_MS = 1200;

/** A life in which nobody dies, and one node is starved. */
function live(seed: number, rules: SwimOptions["rules"] = {}): Outcome {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const network = new FakeNetwork({ clock, latencyMs: () => 1 + random.next() * 10, reuseBodies: false });
  const counts = { suspect: 0, dead: 0 };
  const dids = Array.from({ length: NODE_COUNT }, (_, index) => fakeDid(index));
  const swims = dids.map((did, index) => {
    const mesh = network.join(did);
    const own = index === 0 ? starved(clock) : clock;
    if (index === 0) readLate(mesh, own);
    const swim = createSwim({
      mesh,
      epoch: 1,
      clock: own,
      random,
      logger: silentLogger,
      metrics: noMetrics,
      rules,
    });
    swim.onChange((changed) => {
      const status = swim.statusOf(changed)?.status;
      if (status === "suspect" && changed !== dids[0]) counts.suspect++;
      if (status === "dead") counts.dead++;
    });
    return swim;
  });
  for (const [index, one] of dids.entries()) for (const other of dids.slice(index + 1)) network.link(one, other);
  clock.advance(LIFE_MS);
  for (const swim of swims) swim.stop();
  return counts;
}

/** Timers run only when the process does. */
function starved(clock: VirtualClock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    setTimer: (delayMs, callback) => {
      const dueMs = clock.monotonicMs() + delayMs;
      return clock.setTimer(Math.ceil(dueMs / STALL_MS) * STALL_MS - clock.monotonicMs(), callback);
    },
  };
}

/** What arrives waits until the process runs, and then comes after its timers. */
function readLate(mesh: FakeMesh, clock: Clock): void {
  const handle = mesh.handle.bind(mesh);
  mesh.handle = (type, handler) => {
    handle(type, (frame) => {
      clock.setTimer(0, () => void clock.setTimer(0, () => void handler(frame)));
    });
  };
}

test("a starved node is killed by nobody, and accuses nobody who is well", () => {
  for (const seed of seeds(seedCount(6))) expect(live(seed)).toEqual({ dead: 0, suspect: 0 });
});

test("the planted fault is found: a node that does not raise its incarnation is killed by rumour", () => {
  expect(live(1, { raise: (seen) => seen }).dead).toBeGreaterThan(0);
});
