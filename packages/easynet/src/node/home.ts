import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { generateKeyPair, type KeyPair, keyPairFromSeed } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import type { MembershipFile } from "./types.ts";

/** The content of `membership.json`. */
export const membershipFileSchema = z.strictObject({
  network: z.string(),
  networkName: z.string(),
  member: z.string(),
  delegation: z.base64(),
  addresses: z.array(z.string().max(300)).max(64),
});

const runFileSchema = z.object({
  pid: z.number().int(),
  did: z.string(),
  name: z.string(),
  apiUrl: z.string(),
  startedAtMs: z.number(),
});
/** What other processes of this machine need to reach the running node. */
export type RunFile = z.infer<typeof runFileSchema>;

/** The folder that makes a machine a node: keys, membership, store, token. One running node per folder. */
export class Home {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(join(path, "agents"), { recursive: true, mode: 0o700 });
  }

  get storePath(): string {
    return join(this.path, "node.db");
  }

  get artifactsPath(): string {
    return join(this.path, "artifacts");
  }

  get tokenPath(): string {
    return join(this.path, "token");
  }

  get logPath(): string {
    return join(this.path, "node.log");
  }

  /** The node's key, made at first use. */
  nodeKey(): KeyPair {
    return keyPairFrom(join(this.path, "node.key"));
  }

  /** The key of an agent of this node, made at first use under its name. */
  agentKey(name: string): KeyPair {
    return keyPairFrom(join(this.path, "agents", `${encodeURIComponent(name)}.key`));
  }

  /** The root key of the network, only on the machine that created it. */
  rootKey(): KeyPair | undefined {
    const path = join(this.path, "root.key");
    return existsSync(path) ? keyPairFrom(path) : undefined;
  }

  createRootKey(): KeyPair {
    return keyPairFrom(join(this.path, "root.key"));
  }

  membership(): MembershipFile | undefined {
    const path = join(this.path, "membership.json");
    return existsSync(path) ? parseJson(path, membershipFileSchema) : undefined;
  }

  saveMembership(membership: MembershipFile): void {
    writeAtomically(join(this.path, "membership.json"), JSON.stringify(membership, undefined, 2));
  }

  /** Every key stays: the machine can join again under the same name. */
  removeMembership(): void {
    rmSync(join(this.path, "membership.json"), { force: true });
  }

  /** The secret of the local API, made at first use. */
  token(): string {
    if (!existsSync(this.tokenPath)) writeAtomically(this.tokenPath, randomBytes(24).toString("base64url"));
    return readFileSync(this.tokenPath, "utf8").trim();
  }

  saveRunFile(run: RunFile): void {
    writeAtomically(join(this.path, "run.json"), JSON.stringify(run));
  }

  /** The node that runs in this folder, if its process lives. */
  running(): RunFile | undefined {
    return readRunFile(this.path);
  }

  /**
   * Makes this process the only one that runs a node here. @throws {EasynetError} NODE_ALREADY_RUNNING
   */
  lock(): Disposable {
    const path = join(this.path, "lock");
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        writeFileSync(path, String(process.pid), { flag: "wx", mode: 0o600 });
        return { [Symbol.dispose]: () => this.#unlock(path) };
      } catch (cause) {
        const holder = Number(readText(path));
        if (holder && holder !== process.pid && isAlive(holder)) {
          throw new EasynetError("NODE_ALREADY_RUNNING", { home: this.path, pid: holder }, { cause });
        }
        if (holder === process.pid) {
          throw new EasynetError("NODE_ALREADY_RUNNING", { home: this.path, pid: holder }, { cause });
        }
        rmSync(path, { force: true });
      }
    }
    throw new EasynetError("STORAGE_FAILED", { path, reason: "the lock file cannot be created" });
  }

  #unlock(path: string): void {
    if (readText(path) !== String(process.pid)) return;
    rmSync(join(this.path, "run.json"), { force: true });
    rmSync(path, { force: true });
  }
}

/** Reads `run.json` without touching the folder; undefined when no node runs there. */
export function readRunFile(home: string): RunFile | undefined {
  const path = join(home, "run.json");
  const text = readText(path);
  if (text === undefined) return undefined;
  const run = runFileSchema.safeParse(safeJson(text));
  return run.success && isAlive(run.data.pid) ? run.data : undefined;
}

function keyPairFrom(path: string): KeyPair {
  if (!existsSync(path)) {
    const keyPair = generateKeyPair();
    writeAtomically(path, Buffer.from(keyPair.exportSeed()));
    return keyPair;
  }
  return keyPairFromSeed(readFileSync(path));
}

/** Whole or not at all, readable by its owner only: a crash in between leaves the old file. */
function writeAtomically(path: string, content: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}

function parseJson<Schema extends z.ZodType>(path: string, schema: Schema): z.infer<Schema> {
  const parsed = schema.safeParse(safeJson(readFileSync(path, "utf8")));
  if (parsed.success) return parsed.data;
  throw new EasynetError("STORAGE_FAILED", { path, reason: parsed.error.issues[0]?.message ?? "not valid" });
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
