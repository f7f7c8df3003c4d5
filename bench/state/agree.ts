import { noMetrics, seededRandom, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { createSharedState, type RunningState } from "../../packages/easynet/src/state/index.ts";
import { MemoryStore } from "../../packages/easynet/src/storage/index.ts";
import { fakeDid, FakeNetwork, VirtualClock } from "../../packages/easynet/src/testing/index.ts";

const LATENCY_MS = 10;
const PARTITION_MS = 60_000;
const STEP_MS = 5;
/** Writes of each half while it is cut off. */
const WRITES = 500;

/** Two halves write on for a minute without hearing of each other; virtual ms from the first new link until all agree. */
export async function agreeAfterPartition(count: number): Promise<Readonly<Record<string, number>>> {
  const clock = new VirtualClock();
  const network = new FakeNetwork({ clock, latencyMs: LATENCY_MS, dialMs: LATENCY_MS });
  const states = Array.from({ length: count }, (_, number) => start(network, clock, number));
  await clock.advanceAsync(2000);
  const number = new Map(Array.from({ length: count }, (_, index) => [fakeDid(index), index]));
  const side = (did: ReturnType<typeof fakeDid>): number => (number.get(did) ?? 0) % 2;
  network.partition((from, to) => side(from) === side(to));
  for (let write = 0; write < 2 * WRITES; write++) {
    await states[write % count]?.put(`key-${write % 400}`, { write });
    await clock.advanceAsync(PARTITION_MS / (2 * WRITES));
  }
  const framesBefore = network.deliveredCount;
  network.heal();
  const startMs = clock.monotonicMs();
  while (!agree(states)) await clock.advanceAsync(STEP_MS);
  const tookMs = clock.monotonicMs() - startMs;
  for (const state of states) state.stop();
  return {
    agree_nodes: count,
    agree_after_60_s_partition_ms_simulated: tookMs,
    agree_frames_per_node_simulated: Math.round((network.deliveredCount - framesBefore) / count),
  };
}

function start(network: FakeNetwork, clock: VirtualClock, number: number): RunningState {
  const mesh = network.join(fakeDid(number));
  const ports = { clock, random: seededRandom(number), logger: silentLogger, metrics: noMetrics };
  const state = createSharedState({
    ...ports,
    mesh,
    store: new MemoryStore(),
    epoch: 1,
    directory: { nodes: () => [] },
  });
  state.start();
  for (const other of network.meshes.keys()) if (other !== mesh.self) mesh.learn(other, ["fake"]);
  return state;
}

function agree(states: readonly RunningState[]): boolean {
  const seen = new Set(states.map((state) => JSON.stringify(state.list().map(({ key, value }) => [key, value]))));
  return seen.size === 1;
}
