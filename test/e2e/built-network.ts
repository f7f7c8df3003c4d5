import { type ChildProcess, fork, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Home, membershipFileSchema } from "../../packages/easynet/src/node/index.ts";
import { LocalClient } from "../../packages/easynet/src/cli/local-client.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const COMMAND = join(ROOT, "packages/easynet/dist/cli/main.js");

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command to its end. */
export function easynet(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [COMMAND, ...args], {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: "1", LANG: "C", ...env },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => (stdout += String(chunk)));
    child.stderr.on("data", (chunk) => (stderr += String(chunk)));
    child.once("exit", (code) => resolve({ code, stdout, stderr }));
  });
}

export interface BuiltNode {
  readonly name: string;
  readonly home: string;
  readonly process: ChildProcess;
  readonly api: LocalClient;
}

/** Node processes of one network, each an ordinary program on the built package (program.ts). */
export class BuiltNetwork implements AsyncDisposable {
  readonly nodes: BuiltNode[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "easynet-e2e-"));

  /** The first one creates the network; a later one joins through `via`. */
  async start(name: string, via = this.nodes[0]): Promise<BuiltNode> {
    const home = new Home(join(this.#folder, name));
    if (via && this.nodes[0]) {
      const answer = membershipFileSchema.parse(
        await this.nodes[0].api.post("/api/memberships", { member: home.nodeKey().did }),
      );
      const status = await via.api.get("/api/status");
      const addresses = typeof status === "object" && status !== null && "addresses" in status ? status.addresses : [];
      home.saveMembership(membershipFileSchema.parse({ ...answer, addresses }));
    }
    const child = fork(fileURLToPath(new URL("./program.mjs", import.meta.url)), [home.path, name], {
      execPath: process.execPath,
      execArgv: [],
    });
    await new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve());
      child.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
    });
    const node = { name, home: home.path, process: child, api: LocalClient.open(home.path) };
    this.nodes.push(node);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.nodes.map(async ({ process: child }) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill("SIGCONT");
        child.kill("SIGKILL");
        await new Promise((resolve) => {
          child.once("exit", resolve);
        });
      }),
    );
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
