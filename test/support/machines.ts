/** Machines for the command: each in a network namespace of its own, with its own folder, as a user would type it. */
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { CommandProcess, runCommand } from "../integration/up-process.ts";
import { Namespaces } from "./namespaces.ts";

const CAPTURE = join(import.meta.dirname, "capture.py");
const SCAN = join(import.meta.dirname, "scan-memory.py");

/** Why packets cannot be captured here; undefined when they can. */
export function captureMissing(): string | undefined {
  return spawnSync("python3", ["--version"]).status === 0 ? undefined : "no python3";
}

export class Machines implements AsyncDisposable {
  readonly net = new Namespaces();
  readonly #command: readonly string[];
  readonly #folder = mkdtempSync(join(tmpdir(), "easynet-machines-"));
  readonly #running = new Map<string, CommandProcess>();

  /** @param command how to start easynet, program first */
  constructor(command: readonly string[], labels: readonly string[]) {
    this.#command = command;
    for (const label of labels) this.net.add(label);
  }

  /** `up` or `join CODE`, waited for until it tells what to try; nothing else is said to it than a name. */
  async start(label: string, ...args: readonly string[]): Promise<CommandProcess> {
    await this.net.untilCarried(label);
    const all = [...args, "--name", label];
    const started = new CommandProcess(this.#commandIn(label), all, this.#home(label));
    this.#running.set(label, started);
    await started.untilPrinted("Try it");
    return started;
  }

  /** A command that ends. */
  run(label: string, ...args: readonly string[]): ReturnType<typeof runCommand> {
    return runCommand(this.#commandIn(label), args, this.#home(label));
  }

  /** Asks again until the command succeeds. */
  runUntil(label: string, args: readonly string[], timeoutMs = 40_000): ReturnType<typeof runCommand> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const ended = this.run(label, ...args);
      if (ended.status === 0) return ended;
      if (performance.now() > endMs) throw new Error(`easynet ${args.join(" ")} on ${label}: ${ended.stderr}`);
    }
  }

  /** The code that the command prints on that machine. */
  invite(label: string): string {
    const made = this.run(label, "invite");
    const code = /^easynet join (\S+)$/m.exec(made.stdout)?.[1];
    if (code === undefined) throw new Error(`no code: ${made.stdout}${made.stderr}`);
    return code;
  }

  /** Names of the machines that it is linked to. */
  peersOf(label: string): readonly { readonly name: string; readonly via?: string }[] {
    return JSON.parse(this.run(label, "peers", "--json").stdout).peers;
  }

  /** What the doctor says there, by fact. */
  doctor(label: string): readonly { readonly fact: string; readonly values: Record<string, unknown> }[] {
    return JSON.parse(this.run(label, "doctor", "--json").stdout).findings;
  }

  async stop(label: string): Promise<void> {
    const process = this.#running.get(label);
    this.#running.delete(label);
    process?.child.kill("SIGTERM");
    await process?.exit;
  }

  /** Records every packet on these interfaces of a machine. */
  capture(label: string, interfaces: readonly string[]): Promise<Capture> {
    const file = join(this.#folder, `${label}.packets`);
    return Capture.start([...this.net.prefix(label), "python3", CAPTURE, file, ...interfaces], file);
  }

  /** How often each text stands in the memory of the node on that machine, as UTF-8. */
  inMemory(label: string, texts: readonly string[]): readonly number[] {
    const pid = String(this.#running.get(label)?.child.pid);
    const scan = spawnSync("python3", [SCAN, pid], { input: texts.join("\n"), encoding: "utf8" });
    if (scan.status !== 0) throw new Error(scan.stderr);
    return JSON.parse(scan.stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child, exit } of this.#running.values()) {
      child.kill("SIGKILL");
      await exit;
    }
    await this.net[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #commandIn(label: string): readonly string[] {
    return [...this.net.prefix(label), ...this.#command];
  }

  #home(label: string): string {
    return join(this.#folder, label);
  }
}

class Capture {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #file: string;

  static async start([program = "", ...args]: readonly string[], file: string): Promise<Capture> {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout, "data");
    return new Capture(child, file);
  }

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>, file: string) {
    this.#child = child;
    this.#file = file;
  }

  /** Ends it; every packet, one after the other, each after its length. */
  async stop(): Promise<Buffer> {
    const ended = once(this.#child, "exit");
    this.#child.stdin.end();
    await ended;
    return readFileSync(this.#file);
  }
}
