/**
 * The slow lane: `npm run slow -- NAME [--count N] [--seed S] [--json] [--no-record]`; without a name it lists them.
 * Runs test/slow/NAME.ts in batches, keeps what was done after each so that a stopped run goes on, and merges the
 * outcome into the file of its issue in results/. With --json one line of JSON ends standard output.
 */
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { circumstances, recordResult } from "../../scripts/results.ts";
import type { SlowItem, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

const ISSUE = "02-first-slice";
const STATE_FOLDER = join(import.meta.dirname, "..", "..", "results", ".slow");
const FUZZ_PLAN: SlowPlan = { cases: 200_000, batchCases: 10_000 };
/** Failures kept in the result; the rest is counted. */
const FAILURE_COUNT_MAX = 20;
const PROGRESS_INTERVAL_MS = 5000;

interface State {
  /** What a state belongs to: with other sources it is begun anew; towards another number of cases it goes on. */
  readonly sources: string;
  readonly seed: number;
  done: number;
  batch: number;
  failureCount: number;
  durationMs: number;
  readonly failures: string[];
  readonly figures: Record<string, number>;
}

interface Settings {
  readonly cases: number | undefined;
  readonly seed: number | undefined;
  readonly record: boolean;
}

function names(): readonly string[] {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && file !== "run.ts")
    .map((file) => file.slice(0, -".ts".length))
    .sort();
}

async function load(name: string): Promise<SlowItem> {
  const item: unknown = await import(`./${name}.ts`);
  if (!isItem(item)) throw new TypeError(`test/slow/${name}.ts exports no function run`);
  return item;
}

function isItem(value: unknown): value is SlowItem {
  return typeof value === "object" && value !== null && "run" in value && typeof value.run === "function";
}

/** The state of an interrupted run of the same sources, or a new one. */
function openState(name: string, plan: SlowPlan, { seed, record }: Settings): State {
  const { cases } = plan;
  const sources = sourcesId();
  const path = join(STATE_FOLDER, `${name}.json`);
  if (record && existsSync(path)) {
    const state: State = JSON.parse(readFileSync(path, "utf8"));
    if (state.sources === sources && (seed ?? state.seed) === state.seed) {
      process.stderr.write(`${name}: goes on after ${state.done} of ${cases} (seed ${state.seed})\n`);
      return state;
    }
  }
  return {
    sources,
    seed: seed ?? randomInt(2 ** 31),
    done: 0,
    batch: 0,
    failureCount: 0,
    durationMs: 0,
    failures: [],
    figures: {},
  };
}

function saveState(name: string, state: State): void {
  mkdirSync(STATE_FOLDER, { recursive: true });
  writeFileSync(join(STATE_FOLDER, ".gitignore"), "*\n");
  const path = join(STATE_FOLDER, `${name}.json`);
  writeFileSync(`${path}.new`, JSON.stringify(state));
  renameSync(`${path}.new`, path);
}

/** Changes with every committed or uncommitted change of the sources, so that no result mixes two versions. */
function sourcesId(): string {
  const git = (...args: readonly string[]): string =>
    execFileSync("git", args, { encoding: "utf8", cwd: import.meta.dirname, maxBuffer: 64 * 1024 * 1024 }).trim();
  try {
    const tree = git("rev-parse", "HEAD:packages/easynet/src");
    const difference = git("diff", "HEAD", "--", ":/packages/easynet/src");
    return difference === ""
      ? tree
      : `${tree}+${execFileSync("git", ["hash-object", "--stdin"], { input: difference }).toString().trim()}`;
  } catch {
    return "unknown";
  }
}

function add(state: State, outcome: SlowOutcome, durationMs: number): void {
  state.done += outcome.cases;
  state.batch += 1;
  state.durationMs += durationMs;
  state.failureCount += outcome.failures.length;
  state.failures.push(...outcome.failures.slice(0, FAILURE_COUNT_MAX - state.failures.length));
  for (const [key, value] of Object.entries(outcome.figures ?? {})) {
    state.figures[key] = (state.figures[key] ?? 0) + value;
  }
}

/** Tells how far it is: over itself on a terminal, a line every few seconds elsewhere. */
function progress(name: string, cases: number): (done: number) => void {
  let lastMs = 0;
  return (done) => {
    const nowMs = performance.now();
    if (nowMs - lastMs < (process.stderr.isTTY ? 100 : PROGRESS_INTERVAL_MS) && done < cases) return;
    lastMs = nowMs;
    process.stderr.write(process.stderr.isTTY ? `\r${name}: ${done}/${cases}` : `${name}: ${done}/${cases}\n`);
  };
}

async function runItem(name: string, settings: Settings): Promise<object> {
  const startedWith = circumstances();
  const item = await load(name);
  const plan = { ...(item.plan ?? FUZZ_PLAN), ...(settings.cases !== undefined && { cases: settings.cases }) };
  const state = openState(name, plan, settings);
  const tell = progress(name, plan.cases);
  while (state.done < plan.cases) {
    const startedAtMs = performance.now();
    const before = state.done;
    const outcome = await item.run({
      cases: Math.min(plan.batchCases, plan.cases - before),
      seed: (state.seed + state.batch * 0x9e3779b1) >>> 0,
      onProgress: (done) => tell(before + done),
    });
    if (outcome.skipped !== undefined) return { name, skipped: outcome.skipped, ...startedWith };
    if (outcome.cases < 1) throw new Error(`${name} ran no case of its batch`);
    add(state, outcome, performance.now() - startedAtMs);
    if (settings.record) saveState(name, state);
  }
  if (process.stderr.isTTY) process.stderr.write("\n");
  const { done, seed, figures, failureCount, failures } = state;
  const durationS = Math.round(state.durationMs / 1000);
  const rates = item.summarize?.(figures);
  const result = { cases: done, ...figures, ...rates, failureCount, failures, seed, durationS, ...startedWith };
  if (!settings.record) return { name, ...result };
  rmSync(join(STATE_FOLDER, `${name}.json`), { force: true });
  return { name, ...recordResult(plan.issue ?? ISSUE, name, result) };
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`--${option} needs a whole number, not ${text}`);
  return value;
}

function summary(result: object): string {
  const shown = Object.entries(result).filter(([key]) => !["failures", "cpu", "platform", "modified"].includes(key));
  return shown.map(([key, value]) => `${key} ${String(value)}`).join(" · ");
}

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      count: { type: "string" },
      seed: { type: "string" },
      json: { type: "boolean", default: false },
      "no-record": { type: "boolean", default: false },
    },
  });
  const known = names();
  const unknown = positionals.filter((name) => !known.includes(name));
  if (positionals.length === 0 || unknown.length > 0) {
    if (unknown.length > 0) process.stderr.write(`Not in the slow lane: ${unknown.join(", ")}\n`);
    process.stdout.write(`${known.join("\n")}\n`);
    return unknown.length > 0 ? 2 : 0;
  }
  const settings: Settings = {
    cases: wholeNumber("count", values.count),
    seed: wholeNumber("seed", values.seed),
    record: !values["no-record"],
  };
  let failed = false;
  for (const name of positionals) {
    const result = await runItem(name, settings);
    if ("failures" in result && Array.isArray(result.failures)) {
      failed ||= result.failures.length > 0;
      for (const failure of result.failures) process.stderr.write(`${name}: ${String(failure)}\n`);
    }
    process.stdout.write(`${values.json ? JSON.stringify(result) : summary(result)}\n`);
  }
  return failed ? 1 : 0;
}

process.exitCode = await main();
