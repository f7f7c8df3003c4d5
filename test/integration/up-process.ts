import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** How to start the command as a process, program first: from its sources, or as it was built. */
export const SOURCE_COMMAND = [
  process.execPath,
  "--conditions=easynet-source",
  join(import.meta.dirname, "../../packages/easynet/src/cli/main.ts"),
];
export const BUILT_COMMAND = [process.execPath, join(import.meta.dirname, "../../packages/easynet/dist/cli/main.js")];

/** Flags that keep a test node to itself: loopback, any free port, no multicast. */
export const QUIET = ["--listen", "127.0.0.1", "--port", "0", "--api-port", "0", "--no-mdns"];

/** The same, with a module that is run before the command. */
export function withImport(source: string): readonly string[] {
  const [program = "", ...rest] = SOURCE_COMMAND;
  return [program, `--import=data:text/javascript,${encodeURIComponent(source)}`, ...rest];
}

export class CommandProcess {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;

  constructor(command: readonly string[], args: readonly string[], home: string) {
    const [program = "", ...rest] = command;
    this.child = spawn(program, [...rest, ...args], { env: environment(home), stdio: "pipe" });
    this.child.stdout?.on("data", (data: Buffer) => (this.stdout += data.toString()));
    this.child.stderr?.on("data", (data: Buffer) => (this.stderr += data.toString()));
    this.exit = once(this.child, "close").then(([code, signal]) => ({ code, signal }));
  }

  /** Waits until stdout holds `text`; rejects when the process ends first. */
  async untilPrinted(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      const ended = await Promise.race([
        once(this.child.stdout ?? this.child, "data").then(() => false),
        this.exit.then(() => true),
      ]);
      if (ended && !this.stdout.includes(text)) throw new Error(`ended without ${text}: ${this.stdout}${this.stderr}`);
    }
  }
}

/** A command that ends by itself. */
export function runCommand(
  command: readonly string[],
  args: readonly string[],
  home: string,
): { readonly status: number | null; readonly stdout: string; readonly stderr: string; readonly ms: number } {
  const startMs = performance.now();
  const [program = "", ...rest] = command;
  const { status, stdout, stderr } = spawnSync(program, [...rest, ...args], {
    env: environment(home),
    encoding: "utf8",
    timeout: 30_000,
  });
  return { status, stdout, stderr, ms: performance.now() - startMs };
}

function environment(home: string): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return { ...env, EASYNET_HOME: home, LANG: "C", LC_ALL: "C" };
}
