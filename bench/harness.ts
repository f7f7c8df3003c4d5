import { createRequire } from "node:module";
import { circumstances, recordResult } from "../scripts/results.ts";

const ISSUE = "02-first-slice";

/** What one bench found. Names of metrics carry their unit or say `ratio`. */
export interface BenchResult {
  /** Medians of the rounds. */
  readonly metrics: Readonly<Record<string, number>>;
  /** What it was compared with in the same run: its figures, or why it did not run. */
  readonly peers: Readonly<Record<string, string | Readonly<Record<string, number | string>>>>;
  /** How much was measured, and the figures of the single rounds. */
  readonly samples?: Readonly<Record<string, unknown>>;
  readonly notes?: readonly string[];
}

/**
 * Runs a bench, stores its result in results/ and prints it: for people on stderr, as the last line of stdout as JSON.
 * @param issue the file in results/ that keeps it
 */
export async function runBench(name: string, bench: () => Promise<BenchResult>, issue = ISSUE): Promise<void> {
  const before = circumstances();
  const { metrics, peers, samples = {}, notes = [] } = await bench();
  recordResult(issue, name, { ...before, packages: packageVersions(), samples, metrics, peers, notes });
  for (const [key, value] of Object.entries(metrics)) say(`${key.padEnd(44)} ${value}`);
  for (const [peer, figures] of Object.entries(peers)) {
    say(`beside ${peer}: ${typeof figures === "string" ? figures : ""}`);
    if (typeof figures === "string") continue;
    for (const [key, value] of Object.entries(figures)) say(`  ${key.padEnd(42)} ${value}`);
  }
  for (const note of notes) say(`note: ${note}`);
  process.stdout.write(`${JSON.stringify({ bench: name, metrics, peers })}\n`);
}

/** A line for whoever watches. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Versions of what the measured program is made of. */
function packageVersions(): Readonly<Record<string, string>> {
  const manifests: unknown[] = [
    createRequire(import.meta.url)("../packages/easynet/package.json"),
    createRequire(import.meta.url)("../package.json"),
  ];
  const versions: [string, string][] = [];
  for (const manifest of manifests) {
    if (typeof manifest !== "object" || manifest === null) continue;
    const lists = ["dependencies", "optionalDependencies"].map((key): unknown => Reflect.get(manifest, key));
    for (const list of lists) versions.push(...Object.entries(list ?? {}).map(([key, value]) => entry(key, value)));
  }
  return Object.fromEntries(versions);
}

function entry(name: string, version: unknown): [string, string] {
  return [name, String(version)];
}

/** The value below which `fraction` (0..1) of the values lie; 0 for none. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1] ?? 0, sorted[Math.floor(middle)] ?? 0];
  return (low + high) / 2;
}

/** Measures each subject once per round, one after the other, so that what disturbs the machine disturbs all alike. */
export async function interleave<Subject, Sample>(
  roundCount: number,
  subjects: readonly Subject[],
  measure: (subject: Subject, roundIndex: number) => Promise<Sample>,
): Promise<Map<Subject, Sample[]>> {
  const samples = new Map<Subject, Sample[]>(subjects.map((subject) => [subject, []]));
  for (let index = 0; index < roundCount; index++) {
    for (const subject of subjects) samples.get(subject)?.push(await measure(subject, index));
  }
  return samples;
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}
