/**
 * What a stranger gets: a clone of the last commit in an empty folder, and the commands of the README in it, started
 * with the Node and npm of the machine, not with the pinned one.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BenchResult, round, runBench } from "./harness.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** npm puts the pinned Node first; a stranger does not have it. */
const env = {
  ...process.env,
  PATH: (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .join(delimiter),
};

interface Outcome {
  readonly code: number | null;
  readonly seconds: number;
  readonly lastLine: string;
}

function npm(args: readonly string[], cwd: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const startedAtMs = performance.now();
    const child = spawn("npm", args, {
      cwd,
      env,
      stdio: ["ignore", "pipe", "ignore"],
      shell: process.platform === "win32",
    });
    let output = "";
    child.stdout.on("data", (chunk) => (output = (output + String(chunk)).slice(-20_000)));
    child.once("close", (code) => {
      const seconds = round((performance.now() - startedAtMs) / 1000, 1);
      resolve({ code, seconds, lastLine: output.trimEnd().split("\n").at(-1) ?? "" });
    });
  });
}

async function bench(): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), "easynet-fresh-"));
  const clone = join(folder, "easynet");
  try {
    spawnSync("git", ["clone", "--quiet", ROOT, clone]);
    const first = await npm(["run", "--silent", "demo", "--", "--json"], clone);
    const demo = await npm(["run", "--silent", "demo", "--", "--json"], clone);
    const test = await npm(["test"], clone);
    const check = await npm(["run", "check"], clone);
    const summary: unknown = JSON.parse(demo.lastLine);
    const correct = typeof summary === "object" && summary !== null && "correct" in summary && summary.correct === true;
    return {
      metrics: {
        first_demo_with_installation_s: first.seconds,
        first_demo_exit: first.code ?? -1,
        demo_s: demo.seconds,
        demo_exit: demo.code ?? -1,
        demo_result_right: correct ? 1 : 0,
        test_s: test.seconds,
        test_exit: test.code ?? -1,
        check_s: check.seconds,
        check_exit: check.code ?? -1,
      },
      peers: { "Node on the PATH": { version: spawnSync("node", ["--version"], { env }).stdout.toString().trim() } },
      samples: { runs: 1, demo: summary },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await runBench("fresh-clone", bench);
