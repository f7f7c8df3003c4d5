/**
 * Durable commits per second of one 256 B entry each, at several numbers of concurrent callers: `npm run bench -- store
 * [--json] [--seconds N]`. The baseline in the same run is a bare `node:sqlite` on the main thread with the same pragmas
 * and one transaction per row. What it says about a disk holds for the disk of TMPDIR only.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { openStore } from "../packages/easynet/src/storage/index.ts";
import { recordResult } from "../scripts/results.ts";

const CALLER_COUNTS = [1, 16, 64, 256];
const VALUE_BYTES = 256;

interface Sample {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

function quantile(sorted: readonly number[], share: number): number {
  return Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(3));
}

function sampleOf(latenciesMs: readonly number[], elapsedMs: number): Sample {
  const sorted = latenciesMs.toSorted((left, right) => left - right);
  return {
    perSecond: Math.round((latenciesMs.length / elapsedMs) * 1000),
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  };
}

async function measureStore(path: string, callers: number, durationMs: number): Promise<Sample> {
  const store = await openStore({ path });
  const value = new Uint8Array(VALUE_BYTES).fill(7);
  const latenciesMs: number[] = [];
  const startedAtMs = performance.now();
  const call = async (caller: number): Promise<void> => {
    for (let index = 0; performance.now() - startedAtMs < durationMs; index += 1) {
      const beganAtMs = performance.now();
      await store.commit([{ kind: "put", space: "bench", key: `${caller}/${index}`, value }]);
      latenciesMs.push(performance.now() - beganAtMs);
    }
  };
  await Promise.all(Array.from({ length: callers }, async (_, caller) => call(caller)));
  const elapsedMs = performance.now() - startedAtMs;
  await store.close();
  return sampleOf(latenciesMs, elapsedMs);
}

function measureBare(path: string, durationMs: number): Sample {
  const database = new DatabaseSync(path);
  database.exec(
    "PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4000; CREATE TABLE entries(space TEXT, key TEXT, value BLOB, PRIMARY KEY(space, key)) WITHOUT ROWID",
  );
  const put = database.prepare("INSERT INTO entries VALUES (?, ?, ?)");
  const value = new Uint8Array(VALUE_BYTES).fill(7);
  const latenciesMs: number[] = [];
  const startedAtMs = performance.now();
  for (let index = 0; performance.now() - startedAtMs < durationMs; index += 1) {
    const beganAtMs = performance.now();
    put.run("bench", `0/${index}`, value);
    latenciesMs.push(performance.now() - beganAtMs);
  }
  const sample = sampleOf(latenciesMs, performance.now() - startedAtMs);
  database.close();
  return sample;
}

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, seconds: { type: "string", default: "2" } },
});
const durationMs = Number(values.seconds) * 1000;
const folder = mkdtempSync(join(tmpdir(), "easynet-bench-"));
try {
  const samples: Record<string, Sample> = { bare: measureBare(join(folder, "bare.db"), durationMs) };
  for (const callers of CALLER_COUNTS) {
    samples[`callers${callers}`] = await measureStore(join(folder, `${callers}.db`), callers, durationMs);
  }
  const line = recordResult("02-first-slice", "store-commit", { valueBytes: VALUE_BYTES, durationMs, samples });
  if (values.json) console.log(JSON.stringify(line));
  else console.table(samples);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
