/**
 * One sender whose upper lanes never run dry, over a link that carries less than they offer: what every lane gets. The
 * critical lane is left empty: it goes first whatever it costs the others, and that is said.
 */
import { type Random, seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import {
  chooseFairly,
  type OutboxBatch,
  OutboxCore,
} from "../../packages/easynet/src/messaging/delivery/outbox-core.ts";

const LANES = [1, 2, 3] as const;
const WEIGHTS = [8, 4, 2, 1] as const;
const WINDOW_BYTES = 4 * 1024 * 1024;

/** Always the most urgent lane that has something: the planted fault. */
export const chooseUrgent: typeof chooseFairly = (ready) => ready[0];

/** The share of the transmitted bytes that each lane below critical got, of what its weight promises; 1 is fair. */
export function shareOfLanes(seed: number, choose: typeof chooseFairly = chooseFairly): readonly number[] {
  const random = seededRandom(seed);
  const core = new OutboxCore<OutboxBatch>({ epoch: 1, random, choose });
  const got = [0, 0, 0, 0];
  const last = [0, 0, 0, 0];
  const offer = (lane: number): void => {
    const first = (last[lane] ?? 0) + 1;
    last[lane] = first;
    transmit(core.step({ kind: "batch", batch: batchOf(lane, first, random) }, 0));
  };
  const inFlight: OutboxBatch[] = [];
  const transmit = (effects: ReturnType<typeof core.step>): void => {
    for (const effect of effects) {
      if (effect.kind !== "transmit") continue;
      got[effect.batch.lane] = (got[effect.batch.lane] ?? 0) + effect.batch.byteLength;
      inFlight.push(effect.batch);
    }
  };
  const reports = (lane: number, sequence: number) => [
    { lane, position: { epoch: Math.min(1, sequence), sequence }, windowBytes: WINDOW_BYTES },
  ];
  for (const lane of LANES) for (let count = 0; count < 200; count++) offer(lane);
  core.step({ kind: "linked" }, 0);
  transmit(core.step({ kind: "watermarks", reports: LANES.flatMap((lane) => reports(lane, 0)) }, 0));
  got.fill(0);
  for (let round = 0; round < 3000; round++) {
    const oldest = inFlight.shift();
    if (!oldest) break;
    transmit(core.step({ kind: "ack", reports: reports(oldest.lane, oldest.first) }, 0));
    offer(oldest.lane);
  }
  const total = LANES.reduce((sum, lane) => sum + (got[lane] ?? 0), 0);
  const weights = LANES.reduce<number>((sum, lane) => sum + WEIGHTS[lane], 0);
  return LANES.map((lane) => (got[lane] ?? 0) / total / (WEIGHTS[lane] / weights));
}

function batchOf(lane: number, first: number, random: Random): OutboxBatch {
  const byteLength = 100 + Math.floor(random.next() * 64 * 1024);
  const basics = { lane, epoch: 1, first, count: 1, byteLength, expiresAtMs: Infinity };
  return { ...basics, transmitted: false, held: false, hasRow: false };
}
