/**
 * Shared state: the churn of a directory of 10,000 entries on two replicas beside maps of Loro and Yjs, what 100 changes
 * cost on the wire, and how long 50 nodes take to agree after a partition (simulated).
 */
import { parseArgs } from "node:util";
import { interleave, median, round, runBench, say, type BenchResult } from "./harness.ts";
import { agreeAfterPartition } from "./state/agree.ts";
import { churn, loro, spaces, type Subject, yjsFlat, yjsNested } from "./state/churn.ts";

const { values: settings } = parseArgs({
  options: {
    json: { type: "boolean" },
    entries: { type: "string", default: "10000" },
    rounds: { type: "string", default: "20" },
    repeat: { type: "string", default: "5" },
    nodes: { type: "string", default: "50" },
  },
});

const SUBJECTS: readonly { readonly name: string; readonly create: () => Subject }[] = [
  { name: "spaces", create: () => spaces("apart") },
  { name: "spaces, whole records", create: () => spaces("whole") },
  { name: "yjs nested", create: yjsNested },
  { name: "yjs flat", create: yjsFlat },
  { name: "loro flat", create: () => loro("flat") },
  { name: "loro nested", create: () => loro("nested") },
];

async function run(): Promise<BenchResult> {
  const size = { entries: Number(settings.entries), rounds: Number(settings.rounds) };
  // Warm, so that nobody pays for the compiler.
  for (const { create } of SUBJECTS) churn(create(), { entries: 500, rounds: 5 });
  const samples = await interleave(Number(settings.repeat), SUBJECTS, async ({ name, create }) => {
    const result = churn(create(), size);
    say(`${name}: ${result.churnMs.toFixed(0)} ms, ${(result.bytesPerRound / 1024).toFixed(0)} KiB a round`);
    return result;
  });
  const figures = new Map(
    [...samples].map(([{ name }, results]) => [
      name,
      {
        churn_ms: round(median(results.map(({ churnMs }) => churnMs)), 0),
        kib_per_round: round(median(results.map(({ bytesPerRound }) => bytesPerRound)) / 1024, 1),
        delta_of_100_bytes: median(results.map(({ deltaBytesOf100 }) => deltaBytesOf100)),
      },
    ]),
  );
  const { spaces: own, ...peers } = Object.fromEntries(figures);
  if (!own) throw new Error("spaces were not measured");
  const others = Object.entries(peers).filter(([name]) => !name.startsWith("spaces"));
  const best = Math.min(...others.map(([, { churn_ms: ms }]) => ms));
  const agreed = await agreeAfterPartition(Number(settings.nodes));
  return {
    metrics: { ...own, time_ratio_to_best: round(own.churn_ms / best, 3), ...agreed },
    peers,
    samples: {
      ...size,
      repeat: Number(settings.repeat),
      churnMs: Object.fromEntries(
        [...samples].map(([{ name }, all]) => [name, all.map(({ churnMs }) => round(churnMs, 0))]),
      ),
    },
    notes: [
      "Each round and replica: a tenth of the entries get a new load, one in a hundred leaves, one joins; then deltas both ways.",
      "Times are those of the processor; they hold encoding and decoding of the deltas, and neither disk nor network.",
      "Spaces exchange the changes as replicas push them, the others what they export from the version of the other side.",
      "spaces keeps the load under a key of its own, as the nested maps keep it in a field; flat and whole write records.",
      "agree_*: simulated on one virtual clock, links of 10 ms.",
    ],
  };
}

await runBench("state", run, "05-state");
