/** Writes measured figures to results/ISSUE.json: one key per measurement, replaced by the next run of the same one. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const FOLDER = join(ROOT, "results");

/** What a figure was measured with: everything a reader needs to repeat it, and nothing about whose machine it was. */
export interface Circumstances {
  readonly commit: string;
  /** True when sources differed from the commit. */
  readonly modified: boolean;
  readonly date: string;
  readonly node: string;
  readonly platform: string;
  readonly cores: number;
  readonly cpu: string;
}

export function circumstances(): Circumstances {
  return {
    commit: git("rev-parse", "HEAD"),
    modified: git("status", "--porcelain", "--untracked-files=no", "--", "packages", "bench", "test") !== "",
    date: new Date().toISOString(),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? "unknown",
  };
}

/**
 * Merges one result into results/ISSUE.json and returns the line that was stored. The circumstances are those of now
 * unless the result brings its own: a long run takes them at its start.
 * @param issue name of the file without its ending, e.g. "02-first-slice"
 * @param name key of the measurement, e.g. "store-kill"
 */
export function recordResult(issue: string, name: string, result: object): object {
  const path = join(FOLDER, `${issue}.json`);
  const line = { ...circumstances(), ...result };
  const all: Record<string, unknown> = existsSync(path) ? readObject(path) : {};
  mkdirSync(FOLDER, { recursive: true });
  const sorted = Object.entries({ ...all, [name]: line }).sort(([left], [right]) => (left < right ? -1 : 1));
  writeFileSync(`${path}.new`, `${JSON.stringify(Object.fromEntries(sorted), undefined, 2)}\n`);
  renameSync(`${path}.new`, path);
  return line;
}

function readObject(path: string): Record<string, unknown> {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError(`${path} is no object`);
  return { ...value };
}

function git(...args: readonly string[]): string {
  try {
    return execFileSync("git", args, { encoding: "utf8", cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    // A copy without its history (a packed source) still measures; the figure then says so.
    return "unknown";
  }
}
