/**
 * Calls of a shared function between two processes, over the real mesh (TCP, TLS 1.3, signed membership, schema check,
 * admission), beside a bare JSON-over-HTTP echo in the same processes. Arguments are distinct and every answer is
 * checked; nothing is cached. Rounds are interleaved and the median round is reported.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "easynet";
import { issueMemberHome, readyMessage } from "./call/homes.ts";
import { type BenchResult, median, percentile, round, runBench } from "./harness.ts";

const ROUNDS = 5;
const WARM_UP_CALLS = 2_000;
const SEQUENTIAL_CALLS = 1_000;
const CONCURRENT_CALLS = 10_000;
const OUTSTANDING = 64;

type Add = (a: number, b: number) => Promise<number>;

interface Figures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly callsPerSecond: number;
}

async function bench(): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), "easynet-bench-"));
  const providerHome = join(folder, "provider");
  const child = fork(new URL("./call/provider.ts", import.meta.url), [providerHome]);
  try {
    return await measure(child, folder);
  } finally {
    child.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(child: ChildProcess, folder: string): Promise<BenchResult> {
  const httpPort = Number((await readyMessage(child))["httpPort"]);
  const clientHome = await issueMemberHome(join(folder, "provider"), join(folder, "client"));
  await using mesh = new Client({
    home: clientHome,
    name: "client",
    listenHost: "127.0.0.1",
    listenPort: 0,
    apiPort: 0,
    mdns: false,
  });
  await using attached = new Client({ home: join(folder, "provider") });
  const agent = new Agent({ keepAlive: true, maxSockets: OUTSTANDING });
  const ways: Readonly<Record<string, Add>> = {
    mesh: (a, b) => mesh.execute<number>("add", a, b),
    attached: (a, b) => attached.execute<number>("add", a, b),
    http: (a, b) => httpAdd(agent, httpPort, { a, b }),
  };
  const rounds: Record<string, Figures[]> = { mesh: [], attached: [], http: [] };
  for (const add of Object.values(ways)) await callMany(add, WARM_UP_CALLS, OUTSTANDING);
  for (let number = 0; number < ROUNDS; number++) {
    for (const [way, add] of Object.entries(ways)) rounds[way]?.push(await figures(add));
  }
  agent.destroy();
  const result = (way: string): Figures => ({
    p50Ms: median((rounds[way] ?? []).map(({ p50Ms }) => p50Ms)),
    p99Ms: median((rounds[way] ?? []).map(({ p99Ms }) => p99Ms)),
    callsPerSecond: median((rounds[way] ?? []).map(({ callsPerSecond }) => callsPerSecond)),
  });
  const [overMesh, overSocket, bare] = [result("mesh"), result("attached"), result("http")];
  return {
    metrics: {
      calls_per_second_64: Math.round(overMesh.callsPerSecond),
      p50_ms_1: round(overMesh.p50Ms, 3),
      p99_ms_1: round(overMesh.p99Ms, 3),
      attached_calls_per_second_64: Math.round(overSocket.callsPerSecond),
      attached_p50_ms_1: round(overSocket.p50Ms, 3),
      throughput_ratio_vs_http: round(overMesh.callsPerSecond / bare.callsPerSecond, 3),
      p50_ratio_vs_http: round(overMesh.p50Ms / bare.p50Ms, 3),
    },
    peers: {
      "bare JSON over node:http": {
        calls_per_second_64: Math.round(bare.callsPerSecond),
        p50_ms_1: round(bare.p50Ms, 3),
        p99_ms_1: round(bare.p99Ms, 3),
      },
    },
    samples: { rounds: ROUNDS, sequential_calls: SEQUENTIAL_CALLS, concurrent_calls: CONCURRENT_CALLS },
  };
}

async function figures(add: Add): Promise<Figures> {
  const latencies = await callMany(add, SEQUENTIAL_CALLS, 1);
  const startedAtMs = performance.now();
  await callMany(add, CONCURRENT_CALLS, OUTSTANDING);
  const seconds = (performance.now() - startedAtMs) / 1000;
  return {
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    callsPerSecond: CONCURRENT_CALLS / seconds,
  };
}

let nextArgument = 0;

/** Calls with arguments never used before, checks each answer, and returns the time of each call in ms. */
async function callMany(add: Add, count: number, outstanding: number): Promise<number[]> {
  const latencies: number[] = [];
  let left = count;
  const caller = async (): Promise<void> => {
    while (left-- > 0) {
      const [a, b] = [nextArgument++, Math.random()];
      const startedAtMs = performance.now();
      const sum = await add(a, b);
      latencies.push(performance.now() - startedAtMs);
      if (sum !== a + b) throw new Error(`add(${a}, ${b}) answered ${sum}`);
    }
  };
  await Promise.all(Array.from({ length: outstanding }, caller));
  return latencies;
}

function httpAdd(agent: Agent, port: number, body: { a: number; b: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request({ agent, port, host: "127.0.0.1", method: "POST", path: "/add" }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(Number(JSON.parse(Buffer.concat(chunks).toString("utf8")).value)));
    });
    call.on("error", reject);
    call.setHeader("content-type", "application/json");
    call.end(JSON.stringify(body));
  });
}

await runBench("call", bench);
