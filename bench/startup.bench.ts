/**
 * What a person waits for: `easynet up` until the node is ready, `easynet agents` against a running node, and the
 * weight of what gets installed. The built command, as whole processes, beside a bare `node -e 0` in the same rounds.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BenchResult, median, runBench } from "./harness.ts";

const ROUNDS = 7;
const PACKAGE = fileURLToPath(new URL("../packages/easynet", import.meta.url));
const COMMAND = join(PACKAGE, "dist/cli/main.js");

async function bench(): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), "easynet-startup-"));
  try {
    const times = await measureTimes(folder);
    const install = await measureInstall(folder);
    return {
      metrics: {
        up_ready_ms: median(times.up),
        up_ready_first_start_ms: median(times.first),
        agents_ms: median(times.agents),
        version_ms: median(times.version),
        agents_ratio_vs_bare_node: Math.round((median(times.agents) / median(times.bare)) * 100) / 100,
        ...install.metrics,
      },
      peers: { "bare node -e 0": { wall_ms: median(times.bare) }, ...install.peers },
      samples: { rounds: ROUNDS },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Times {
  readonly first: number[];
  readonly up: number[];
  readonly agents: number[];
  readonly version: number[];
  readonly bare: number[];
}

async function measureTimes(folder: string): Promise<Times> {
  const times: Times = { first: [], up: [], agents: [], version: [], bare: [] };
  for (let round = 0; round < ROUNDS; round++) {
    const home = join(folder, `home-${round}`);
    times.first.push(await upOnce(home, async () => undefined));
    times.up.push(
      await upOnce(home, async () => {
        times.agents.push(await wallMs([COMMAND, "agents", "--home", home]));
      }),
    );
    times.version.push(await wallMs([COMMAND, "version"]));
    times.bare.push(await wallMs(["-e", "0"]));
  }
  return times;
}

/** From spawning the process until it reports that it is ready; then `whileUp`, then a clean end. */
async function upOnce(home: string, whileUp: () => Promise<void>): Promise<number> {
  const args = [COMMAND, "up", "--json", "--home", home, "--port", "0", "--api-port", "0", "--listen", "127.0.0.1"];
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`easynet up ended with ${code}`)));
  });
  const readyMs = Math.round(performance.now() - startedAtMs);
  await whileUp();
  child.kill("SIGTERM");
  await exitOf(child);
  return readyMs;
}

async function wallMs(args: readonly string[]): Promise<number> {
  const startedAtMs = performance.now();
  const code = await exitOf(spawn(process.execPath, args, { stdio: "ignore" }));
  if (code !== 0) throw new Error(`node ${args.join(" ")} ended with ${code}`);
  return Math.round(performance.now() - startedAtMs);
}

function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once("exit", resolve);
  });
}

/** Packs the package and installs the tarball into an empty project, as a user would. */
async function measureInstall(folder: string): Promise<Pick<BenchResult, "metrics" | "peers">> {
  const project = join(folder, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true }));
  const packed = await npm(["pack", PACKAGE, "--silent", "--pack-destination", folder], project);
  if (packed !== 0) return { metrics: {}, peers: { install: "not run: npm pack failed" } };
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  const installed = await npm(["install", "--no-audit", "--no-fund", "--omit=dev", join(folder, tarball)], project);
  if (installed !== 0) return { metrics: {}, peers: { install: "not run: the npm registry did not answer" } };
  const lock: unknown = JSON.parse(readFileSync(join(project, "node_modules/.package-lock.json"), "utf8"));
  const packages = typeof lock === "object" && lock !== null && "packages" in lock ? lock.packages : {};
  return {
    metrics: {
      tarball_kb: Math.round(statSync(join(folder, tarball)).size / 1000),
      installed_mb: Math.round(bytesUnder(join(project, "node_modules")) / 1e5) / 10,
      installed_packages: Object.keys(packages ?? {}).length,
    },
    peers: {},
  };
}

function npm(args: readonly string[], cwd: string): Promise<number | null> {
  return exitOf(spawn("npm", args, { cwd, stdio: "ignore", shell: process.platform === "win32" }));
}

function bytesUnder(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += bytesUnder(path);
    else if (entry.isFile()) bytes += statSync(path).size;
  }
  return bytes;
}

await runBench("startup", bench);
