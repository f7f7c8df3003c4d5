/**
 * Durable messages between two processes on loopback: publish, deliver, acknowledge, with a sync on both sides before
 * the acknowledgement, beside the brokers that people would install for it, and beside the floor of two syncs. All in
 * one run, rounds interleaved, medians of the rounds; the consumer checks that nothing is missing, doubled or out of
 * order. Then the same without a disk (`volatile`).
 */
import { type BenchResult, interleave, median, percentile, round, runBench, say } from "./harness.ts";
import { type Burst, type Pair, startPair } from "./messaging/pair.ts";
import { type Server, startNatsServer, startRabbitmq, startRedis } from "./messaging/servers.ts";

const ROUNDS = 3;
const SIZES = [256, 1024] as const;
/** How many messages of a burst may wait for their confirmation, and how many one has: about two seconds' worth. */
const LOAD = { outstanding: 1024, durationS: 2, countMin: 20_000, countMax: 300_000 };
/** A quiet stream, for the latencies. */
const PACE = { count: 1500, perSecond: 500, size: 256 };
const VOLATILE_STREAM = { count: 1_000_000, size: 256 };
const VOLATILE_PACE = { count: 30_000, perSecond: 10_000, size: 256 };

const PEERS = [
  { name: "redis", what: "Redis Streams, appendfsync always", start: startRedis },
  { name: "rabbitmq", what: "RabbitMQ quorum queue of one node", start: startRabbitmq },
  { name: "nats", what: "NATS JetStream, file storage; it does NOT sync before it confirms", start: startNatsServer },
] as const;

type Figures = Record<string, number>;
type Order = Parameters<Pair["run"]>[0];

async function run(): Promise<BenchResult> {
  const servers: Server[] = [];
  const missing: Record<string, string> = {};
  const pairs: Pair[] = [];
  try {
    for (const { name, start } of PEERS) {
      try {
        servers.push(await start());
      } catch (error) {
        missing[name] = `not run: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    for (const system of ["easynet", "floor"]) pairs.push(await startPair(system));
    for (const server of servers) pairs.push(await startPair(server.name, server));
    const bursts = await measureLoads(pairs);
    const paced = await measurePace(pairs);
    for (const pair of pairs.splice(0)) pair.stop();
    const volatile = await measureVolatile();
    return report({ servers, missing, figures: merge(bursts, paced), volatile });
  } finally {
    for (const pair of pairs) pair.stop();
    for (const server of servers) await server.stop();
  }
}

async function measureLoads(pairs: readonly Pair[]): Promise<Map<string, Figures>> {
  const figures = new Map<string, Figures>(pairs.map(({ system }) => [system, {}]));
  for (const size of SIZES) {
    const orderOf = (perSecond: number): Order => {
      const count = Math.round(Math.min(LOAD.countMax, Math.max(LOAD.countMin, perSecond * LOAD.durationS)));
      return { do: "load", size, count, outstanding: LOAD.outstanding };
    };
    for (const [pair, bursts] of await rounds(pairs, orderOf)) {
      const of = (key: "perSecond" | "cpuUs" | "serverCpuUs"): number => median(bursts.map((burst) => burst[key]));
      Object.assign(figures.get(pair.system) ?? {}, {
        [`messages_per_second_${size}`]: Math.round(of("perSecond")),
        [`cpu_us_per_message_${size}`]: round(of("cpuUs")),
        [`server_cpu_us_per_message_${size}`]: round(of("serverCpuUs")),
      });
    }
  }
  return figures;
}

async function measurePace(pairs: readonly Pair[]): Promise<Map<string, Figures>> {
  const figures = new Map<string, Figures>();
  for (const [pair, bursts] of await rounds(pairs, () => ({ do: "pace", ...PACE }))) {
    figures.set(pair.system, latencies(bursts, PACE.perSecond));
  }
  return figures;
}

async function measureVolatile(): Promise<Figures> {
  const pair = await startPair("easynet-volatile");
  try {
    const [streamed = []] = (await rounds([pair], () => ({ do: "stream", ...VOLATILE_STREAM }))).values();
    const [paced = []] = (await rounds([pair], () => ({ do: "pace", ...VOLATILE_PACE }))).values();
    return {
      messages_per_second_256: Math.round(median(streamed.map(({ perSecond }) => perSecond))),
      cpu_us_per_message_256: round(median(streamed.map(({ cpuUs }) => cpuUs))),
      ...latencies(paced, VOLATILE_PACE.perSecond),
    };
  } finally {
    pair.stop();
  }
}

/** The first round warms up the code and is not counted. @param orderOf from the rate of the round before, 0 at first */
async function rounds(
  pairs: readonly Pair[],
  orderOf: (perSecond: number) => Order,
): Promise<Map<Pair, readonly Burst[]>> {
  const rates = new Map<Pair, number>();
  const all = await interleave(ROUNDS + 1, pairs, async (pair) => {
    const order = orderOf(rates.get(pair) ?? 0);
    const burst = await pair.run(order);
    rates.set(pair, burst.perSecond);
    const p50Ms = percentile(burst.deliveredUs, 0.5) / 1000;
    say(
      `${pair.system.padEnd(16)} ${order.do.padEnd(6)} ${String(order.size).padStart(5)} B  ` +
        `${(burst.perSecond / 1000).toFixed(1).padStart(6)} k/s  ${burst.cpuUs.toFixed(1).padStart(6)} us CPU  p50 ${p50Ms.toFixed(2)} ms`,
    );
    return burst;
  });
  return new Map([...all].map(([pair, bursts]) => [pair, bursts.slice(1)]));
}

function latencies(bursts: readonly Burst[], perSecond: number): Figures {
  const of = (key: "deliveredUs" | "confirmedUs", fraction: number): number =>
    round(median(bursts.map((burst) => percentile(burst[key], fraction))) / 1000, 3);
  return {
    [`delivered_p50_ms_at_${perSecond}`]: of("deliveredUs", 0.5),
    [`delivered_p99_ms_at_${perSecond}`]: of("deliveredUs", 0.99),
    [`confirmed_p50_ms_at_${perSecond}`]: of("confirmedUs", 0.5),
    [`confirmed_p99_ms_at_${perSecond}`]: of("confirmedUs", 0.99),
  };
}

function merge(...maps: readonly Map<string, Figures>[]): Map<string, Figures> {
  const merged = new Map<string, Figures>();
  for (const map of maps) for (const [key, value] of map) merged.set(key, { ...merged.get(key), ...value });
  return merged;
}

interface Findings {
  readonly servers: readonly Server[];
  readonly missing: Readonly<Record<string, string>>;
  readonly figures: ReadonlyMap<string, Figures>;
  readonly volatile: Figures;
}

function report({ servers, missing, figures, volatile }: Findings): BenchResult {
  const own = figures.get("easynet") ?? {};
  const metrics: Figures = { ...own };
  const peers: Record<string, string | Record<string, number | string>> = { floor: figures.get("floor") ?? {} };
  for (const [name, other] of figures) {
    if (name === "easynet") continue;
    for (const size of SIZES) {
      const key = `messages_per_second_${size}`;
      metrics[`throughput_ratio_vs_${name}_${size}`] = round((own[key] ?? 0) / (other[key] ?? 0));
    }
    for (const key of [`delivered_p50_ms_at_${PACE.perSecond}`, `confirmed_p50_ms_at_${PACE.perSecond}`]) {
      metrics[`${key.replace("_ms", "")}_ratio_vs_${name}`] = round((own[key] ?? 0) / (other[key] ?? 0));
    }
  }
  for (const { name, what } of PEERS) {
    const server = servers.find((each) => each.name === name);
    peers[name] = server
      ? { server: `${what}, version ${server.version}`, ...figures.get(name) }
      : (missing[name] ?? "");
  }
  for (const [key, value] of Object.entries(volatile)) metrics[`volatile_${key}`] = value;
  return {
    metrics,
    peers,
    samples: { rounds: ROUNDS, sizes: SIZES, load: LOAD, pace: PACE, volatile: [VOLATILE_STREAM, VOLATILE_PACE] },
    notes: [
      "CPU is that of both client processes; that of a broker stands beside it as server_cpu.",
      "delivered: from the call that publishes to the consumer's handler; confirmed: to the publisher's confirmation. Only easynet's (and the floor's) confirmation says that the consumer's side has it on disk; a broker's says that the broker has it.",
      "NATS JetStream confirms before it syncs (every two minutes by default): a power cut loses what it confirmed.",
      "easynet and the floor encrypt (TLS 1.3); the brokers are reached in the clear.",
    ],
  };
}

await runBench("messaging", run, "04-messaging");
