/**
 * kill -9 of the sender or the recipient of messages under load, again and again, two real processes over a real link
 * and stores on disk: everything that was stored or acknowledged takes effect once and in order, and at the end nothing
 * is left in the outbox.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateKeyPair } from "../../packages/easynet/src/identity/index.ts";
import { type Random, seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import type { ChildConfig } from "./support/delivery-child.ts";
import { Ledger } from "./support/delivery-ledger.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 1000, batchCases: 50, issue: "04-messaging" };

const CHILD = fileURLToPath(new URL("support/delivery-child.ts", import.meta.url));
/** From the first message of the victim to its death. */
const DELAY_MS_MAX = 300;
/** Share of kills while the process still starts or reads its store. */
const AT_START_RATIO = 0.15;
const DRAIN_TIMEOUT_MS = 60_000;

type Role = ChildConfig["role"];

/** One process; its lines go to the ledger. */
class End {
  readonly #child: ChildProcess;
  readonly #waiting: { readonly word: string; readonly resolve: () => void }[] = [];
  readonly #said = new Set<string>();
  #rest = "";
  #trouble = "";

  constructor(config: ChildConfig, ledger: Ledger, env: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, [CHILD, JSON.stringify(config)], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#child = child;
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#trouble += text));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      // Only whole lines: the last one may have been cut by the kill.
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) {
        ledger.read(line);
        this.#hear(line.split(" ")[0] ?? "");
      }
    });
  }

  /** Resolves when the process said `word`, or ended. */
  async said(word: string): Promise<void> {
    if (this.#said.has(word) || this.#child.exitCode !== null) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push({ word, resolve });
      this.#child.once("close", () => resolve());
    });
    if (!this.#said.has(word)) throw new Error(`the process ended by itself: ${this.#trouble}`);
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const closed = once(this.#child, "close");
    if (this.#child.exitCode !== null || !this.#child.kill(signal)) throw new Error(`it had ended: ${this.#trouble}`);
    await closed;
  }

  #hear(word: string): void {
    if (this.#said.has(word)) return;
    this.#said.add(word);
    for (const waiter of this.#waiting) if (waiter.word === word) waiter.resolve();
  }
}

export interface KillChanges {
  /** Planted fault: the sender begins its sequences again in each life. */
  readonly sameEpoch?: boolean;
  readonly drainTimeoutMs?: number;
  /** Library that keeps what was synced: each kill is a power cut. */
  readonly shim?: string;
}

export async function run({ cases, seed, onProgress }: SlowOptions, changes: KillChanges = {}): Promise<SlowOutcome> {
  const { sameEpoch = false, drainTimeoutMs = DRAIN_TIMEOUT_MS, shim } = changes;
  const folder = mkdtempSync(join(tmpdir(), "easynet-delivery-"));
  const random = seededRandom(seed);
  const ledger = new Ledger();
  const start = await starter({ folder, ledger, sameEpoch, shim });
  const figures = { kills: 0, senderKills: 0, stored: 0, acknowledged: 0, faults: 0 };
  let rounds = 0;
  const ends: Record<Role, End> = { recipient: start("recipient", undefined), sender: start("sender", rounds) };
  const failures: string[] = [];
  try {
    for (let kill = 0; kill < cases; kill++) {
      const role: Role = random.next() < 0.5 ? "sender" : "recipient";
      await waitForMoment(ends[role], role, random);
      await ends[role].end("SIGKILL");
      if (shim !== undefined) cutPower(join(folder, role));
      figures.kills += 1;
      if (role === "sender") figures.senderKills += 1;
      ends[role] = start(role, role === "sender" ? ++rounds : undefined);
      onProgress(kill + 1);
    }
    await ends.sender.said("up");
    await ends.sender.end("SIGKILL");
    if (shim !== undefined) cutPower(join(folder, "sender"));
    ends.sender = start("sender", undefined);
    const drained = await within(drainTimeoutMs, ends.sender.said("drained"));
    if (!drained) failures.push(`seed ${seed}: the outbox was not empty after ${drainTimeoutMs} ms`);
  } finally {
    await Promise.all([ends.sender.end("SIGTERM"), ends.recipient.end("SIGTERM")]);
    const found = await ledger.check(join(folder, "recipient", "node.db"));
    figures.faults = found.length;
    failures.push(...found.slice(0, 20).map((fault) => `seed ${seed}: ${fault}`));
    rmSync(folder, { recursive: true, force: true });
  }
  figures.stored = ledger.storedCount;
  figures.acknowledged = ledger.acknowledgedCount;
  return { cases, failures, figures };
}

/** Lets the victim live until some moment of its start or of its work. */
async function waitForMoment(end: End, role: Role, random: Random): Promise<void> {
  const atStart = random.next() < AT_START_RATIO;
  const delayMs = random.next() * DELAY_MS_MAX;
  if (!atStart) await end.said(role === "sender" ? "s" : "h");
  await new Promise<void>((resolve) => {
    setTimeout(resolve, delayMs);
  });
}

async function starter(parts: {
  readonly folder: string;
  readonly ledger: Ledger;
  readonly sameEpoch: boolean;
  readonly shim: string | undefined;
}): Promise<(role: Role, round: number | undefined) => End> {
  const { folder, ledger, sameEpoch, shim } = parts;
  const rootSeed = hexOf(generateKeyPair().exportSeed());
  const keys = { sender: generateKeyPair(), recipient: generateKeyPair() };
  const port = await freePort();
  for (const role of ["sender", "recipient"] as const) {
    mkdirSync(join(folder, role));
    mkdirSync(join(folder, `${role}.durable`));
  }
  return (role, round) => {
    const peer = role === "sender" ? keys.recipient.did : keys.sender.did;
    const live = join(folder, role);
    const config: ChildConfig = {
      role,
      path: join(live, "node.db"),
      rootSeed,
      seed: hexOf(keys[role].exportSeed()),
      port: role === "recipient" ? port : 0,
      peer,
      peerAddress: role === "sender" ? `127.0.0.1:${port}#${peer}` : "",
      round,
      sameEpoch,
    };
    return new End(config, ledger, shim === undefined ? {} : { LD_PRELOAD: shim, POWERCUT_DIR: live });
  };
}

/** Only what was synced is there when the process starts again. */
function cutPower(live: string): void {
  rmSync(live, { recursive: true });
  cpSync(`${live}.durable`, live, { recursive: true });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}

async function within(timeoutMs: number, promise: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const outcome = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return outcome;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
