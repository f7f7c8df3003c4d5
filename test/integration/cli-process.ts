import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../../packages/easynet/src/cli/run-cli.ts";
import { TOKEN } from "./gateway-client.ts";

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: Buffer;
  /** The one object of --json. */
  readonly json: unknown;
}

export interface CliRun {
  readonly result: Promise<CliResult>;
  /** What was written to stdout so far. */
  stdout(): string;
  /** As Ctrl-C. */
  interrupt(): void;
}

export interface CliOptions {
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly isTTY?: boolean;
}

/** A home folder as a running node leaves it. */
export function homeOf(apiUrl: string): string {
  const home = mkdtempSync(join(tmpdir(), "easynet-cli-"));
  const run = { pid: process.pid, did: "did:key:own", name: "own", apiUrl, startedAtMs: Date.now() };
  writeFileSync(join(home, "run.json"), JSON.stringify(run));
  writeFileSync(join(home, "token"), TOKEN);
  return home;
}

/** The command in this process, with its own streams, environment and signals. */
export function startCli(args: readonly string[], options: CliOptions): CliRun {
  const out: Buffer[] = [];
  const talk: Buffer[] = [];
  const listeners = new Set<() => void>();
  const { isTTY = false } = options;
  const result = runCli(args, {
    stdout: { isTTY, write: (data) => out.push(Buffer.from(data)) },
    stderr: { isTTY, write: (data) => talk.push(Buffer.from(data)) },
    env: { EASYNET_HOME: options.home, LANG: "C", ...options.env },
    execPath: process.execPath,
    on: (_event, listener) => listeners.add(listener),
    off: (_event, listener) => listeners.delete(listener),
  }).then((code) => {
    const bytes = Buffer.concat(out);
    const stdout = bytes.toString("utf8");
    return { code, stdout, stderr: Buffer.concat(talk).toString("utf8"), bytes, json: parsed(stdout) };
  });
  return {
    result,
    stdout: () => Buffer.concat(out).toString("utf8"),
    interrupt: () => {
      for (const listener of listeners) listener();
    },
  };
}

export async function cli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  return startCli(args, options).result;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
