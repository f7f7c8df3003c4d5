/**
 * Messages between two processes on loopback, over the product's mesh (libp2p identity, TLS 1.3, signed membership,
 * frames, windows), beside raw node:tls with a five-byte frame, and NATS core with TLS. All in one run, rounds
 * interleaved, medians of the rounds. One-way messages are counted by the receiver.
 */
import { type BenchResult, interleave, median, percentile, round, runBench, say } from "./harness.ts";
import { type NatsServer, startNats } from "./mesh/nats-server.ts";
import { type Pair, startPair } from "./mesh/pair.ts";

const ROUNDS = 5;
const RTT_COUNT = 3000;
const RTT_WARMUP_COUNT = 500;
/** Sizes of a body, and how many of it go one way per round. */
const SIZES = [
  { bytes: 256, count: 250_000 },
  { bytes: 4096, count: 60_000 },
] as const;

interface Sample {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly perSecond: number;
  readonly cpuUs: number;
}

async function run(): Promise<BenchResult> {
  let nats: NatsServer | undefined;
  let natsMissing = "";
  try {
    nats = await startNats();
  } catch (error) {
    natsMissing = `not run: ${error instanceof Error ? error.message : String(error)}`;
  }
  const pairs: Pair[] = [];
  try {
    pairs.push(await startPair("easynet"), await startPair("tls"));
    if (nats) pairs.push(await startPair("nats", nats.address));
    return await measureAll(pairs, nats?.version ?? natsMissing);
  } finally {
    for (const pair of pairs) pair.stop();
    nats?.stop();
  }
}

async function measureAll(pairs: readonly Pair[], nats: string): Promise<BenchResult> {
  const figures: Record<string, Record<string, number>> = {};
  const rounds: Record<string, Record<string, readonly Sample[]>> = {};
  for (const { bytes, count } of SIZES) {
    // The first round warms up the code and is not counted.
    const all = await interleave(ROUNDS + 1, pairs, async (pair) => measure(pair, bytes, count));
    for (const [pair, warmAndCounted] of all) {
      const samples = warmAndCounted.slice(1);
      const of = (key: keyof Sample): number => median(samples.map((sample) => sample[key]));
      Object.assign((figures[pair.system] ??= {}), {
        [`rtt_p50_us_${bytes}`]: round(of("p50Us"), 1),
        [`rtt_p99_us_${bytes}`]: round(of("p99Us"), 1),
        [`messages_per_second_${bytes}`]: Math.round(of("perSecond")),
        [`cpu_us_per_message_${bytes}`]: round(of("cpuUs")),
      });
      (rounds[pair.system] ??= {})[`bytes_${bytes}`] = samples;
    }
  }
  const { easynet = {}, tls = {}, nats: natsFigures } = figures;
  return {
    metrics: { ...easynet, ...ratios(easynet, tls, natsFigures) },
    peers: { "node:tls": tls, nats: natsFigures ? { server: nats, ...natsFigures } : nats },
    samples: { rounds: ROUNDS, rttCount: RTT_COUNT, sizes: SIZES, perRound: rounds },
    notes: ["CPU is that of both client processes; that of the NATS server is not in it."],
  };
}

function ratios(
  own: Readonly<Record<string, number>>,
  tls: Readonly<Record<string, number>>,
  nats: Readonly<Record<string, number>> | undefined,
): Record<string, number> {
  const result: Record<string, number> = {};
  const ratio = (peer: Readonly<Record<string, number>>, key: string): number =>
    round((own[key] ?? 0) / (peer[key] ?? 0));
  for (const { bytes } of SIZES) {
    result[`rtt_ratio_vs_tls_${bytes}`] = ratio(tls, `rtt_p50_us_${bytes}`);
    result[`throughput_ratio_vs_tls_${bytes}`] = ratio(tls, `messages_per_second_${bytes}`);
    if (nats) result[`throughput_ratio_vs_nats_${bytes}`] = ratio(nats, `messages_per_second_${bytes}`);
  }
  return result;
}

async function measure(pair: Pair, size: number, count: number): Promise<Sample> {
  const latenciesUs = await pair.rtt({ size, count: RTT_COUNT, warmup: RTT_WARMUP_COUNT });
  const { perSecond, cpuUs } = await pair.pump({ size, count });
  const sample = { p50Us: percentile(latenciesUs, 0.5), p99Us: percentile(latenciesUs, 0.99), perSecond, cpuUs };
  say(
    `${pair.system.padEnd(8)} ${String(size).padStart(5)} B  p50 ${sample.p50Us.toFixed(0)} us  p99 ${sample.p99Us.toFixed(0)} us  ` +
      `${(perSecond / 1000).toFixed(0)} k/s  ${cpuUs.toFixed(2)} us CPU`,
  );
  return sample;
}

await runBench("mesh", run);
