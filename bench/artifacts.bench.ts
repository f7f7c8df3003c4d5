/**
 * What a bulk transfer does to everything else on the same link: calls of a shared function between two processes, one
 * after the other, while this process fetches an artifact from the other one, as a ratio to the same calls on a link at
 * rest in the same run. Every fetch is of other bytes, and every chunk is hashed and written to disk.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "easynet";
import { issueMemberHome, readyMessage } from "./call/homes.ts";
import { type BenchResult, median, percentile, round, runBench } from "./harness.ts";

const ROUNDS = 3;
const WARM_UP_CALLS = 1000;
const CALLS_AT_REST = 500;
const ARTIFACT_BYTES = 128 * 1024 * 1024;
const MIB = 1024 * 1024;

interface Figures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly calls: number;
}

async function bench(): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), "easynet-bench-"));
  const child = fork(new URL("./call/provider.ts", import.meta.url), [join(folder, "provider")]);
  try {
    return await measure(child, folder);
  } finally {
    child.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(child: ChildProcess, folder: string): Promise<BenchResult> {
  await readyMessage(child);
  const home = await issueMemberHome(join(folder, "provider"), join(folder, "client"));
  const own = { name: "client", listenHost: "127.0.0.1", listenPort: 0, apiPort: 0, mdns: false };
  await using mesh = new Client({ home, ...own });
  await using provider = new Client({ home: join(folder, "provider") });
  let count = 0;
  await callUntil(mesh, () => ++count > WARM_UP_CALLS);
  const [rest, busy, mibPerSecond]: [Figures[], Figures[], number[]] = [[], [], []];
  for (let number = 0; number < ROUNDS; number++) {
    let left = CALLS_AT_REST;
    rest.push(await callUntil(mesh, () => left-- === 0));
    const { cid } = await provider.artifacts.put(randomBytes(ARTIFACT_BYTES));
    const startedAtMs = performance.now();
    let fetched = false;
    const fetching = fetchWhole(mesh, cid).finally(() => {
      fetched = true;
    });
    busy.push(await callUntil(mesh, () => fetched));
    await fetching;
    mibPerSecond.push(ARTIFACT_BYTES / MIB / ((performance.now() - startedAtMs) / 1000));
    await mesh.artifacts.remove(cid);
    await provider.artifacts.remove(cid);
  }
  const [p50, p99] = [ratioOf(busy, rest, "p50Ms"), ratioOf(busy, rest, "p99Ms")];
  return {
    metrics: {
      call_p50_ratio_during_transfer: round(p50),
      call_p99_ratio_during_transfer: round(p99),
      call_p50_ms_at_rest: round(median(rest.map(({ p50Ms }) => p50Ms))),
      call_p99_ms_during_transfer: round(median(busy.map(({ p99Ms }) => p99Ms))),
      transfer_mib_per_second: round(median(mibPerSecond)),
    },
    peers: {},
    samples: { rounds: ROUNDS, artifactBytes: ARTIFACT_BYTES, rest, busy, mibPerSecond },
    notes: ["a transfer fetches, verifies, syncs to disk, and reads back every chunk"],
  };
}

async function fetchWhole(client: Client, cid: string): Promise<void> {
  let bytes = 0;
  for await (const part of client.artifacts.get(cid)) bytes += part.length;
  if (bytes !== ARTIFACT_BYTES) throw new Error(`${bytes} bytes came`);
}

/** Calls one after the other. */
async function callUntil(client: Client, ends: () => boolean): Promise<Figures> {
  const timesMs: number[] = [];
  while (!ends()) {
    const [a, b] = [timesMs.length, Math.floor(Math.random() * 1e9)];
    const startedAtMs = performance.now();
    const sum = await client.execute<number>("add", a, b);
    timesMs.push(performance.now() - startedAtMs);
    if (sum !== a + b) throw new Error(`${a} + ${b} is not ${sum}`);
  }
  return { p50Ms: percentile(timesMs, 0.5), p99Ms: percentile(timesMs, 0.99), calls: timesMs.length };
}

function ratioOf(busy: readonly Figures[], rest: readonly Figures[], key: "p50Ms" | "p99Ms"): number {
  return median(busy.map((figures) => figures[key])) / median(rest.map((figures) => figures[key]));
}

await runBench("artifacts", bench, "04-messaging");
