import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKeyPair, type KeyPair } from "../../packages/easynet/src/identity/index.ts";
import { Home } from "../../packages/easynet/src/node/index.ts";
import { issueMembershipFile } from "../../packages/easynet/src/node/network.ts";
import { type Holdings, isHoldings, isSeen, isUse, type Seen, type Use } from "./reach-messages.ts";

const CHILD = join(import.meta.dirname, "reach-child.ts");
let lastNumber = 0;

/** Why namespaces cannot be made here; undefined when they can. */
export function namespacesMissing(): string | undefined {
  const name = `easynet-probe-${process.pid}`;
  try {
    execFileSync("ip", ["netns", "add", name], { stdio: "pipe" });
    execFileSync("ip", ["netns", "del", name], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return error instanceof Error ? `no network namespaces: ${error.message.split("\n", 1)[0]}` : String(error);
  }
}

/** Network namespaces of this machine joined by virtual cables, with nodes of one network in them. */
export class Namespaces implements AsyncDisposable {
  readonly #root: KeyPair = generateKeyPair();
  readonly #folder = mkdtempSync(join(tmpdir(), "easynet-reach-"));
  readonly #number = ++lastNumber;
  readonly #names = new Map<string, string>();
  readonly #nodes: RemoteNode[] = [];

  add(label: string): void {
    const name = `en${process.pid % 100_000}-${this.#number}${label}`;
    execFileSync("ip", ["netns", "add", name]);
    this.#names.set(label, name);
    this.ip(label, "link", "set", "lo", "up");
  }

  /** A cable between two namespaces; each end is called after the other. */
  join(one: string, other: string, addresses: readonly [string, string]): void {
    const [near, far] = [this.#nameOf(one), this.#nameOf(other)];
    const link = ["link", "add", `to-${other}`, "netns", near, "type", "veth"];
    execFileSync("ip", [...link, "peer", "name", `to-${one}`, "netns", far]);
    this.ip(one, "addr", "add", addresses[0], "dev", `to-${other}`);
    this.ip(other, "addr", "add", addresses[1], "dev", `to-${one}`);
    this.ip(one, "link", "set", `to-${other}`, "up");
    this.ip(other, "link", "set", `to-${one}`, "up");
  }

  /** A switch with a cable to each of these namespaces: 10.73.0.1, 10.73.0.2 and so on. */
  switch(label: string, labels: readonly string[]): void {
    this.ip(label, "link", "add", "switch", "type", "bridge");
    this.ip(label, "link", "set", "switch", "up");
    for (const [index, end] of labels.entries()) {
      const cable = ["link", "add", "to-switch", "netns", this.#nameOf(end), "type", "veth"];
      execFileSync("ip", [...cable, "peer", "name", `to-${end}`, "netns", this.#nameOf(label)]);
      this.ip(end, "addr", "add", `10.73.0.${index + 1}/24`, "dev", "to-switch");
      this.ip(label, "link", "set", `to-${end}`, "master", "switch", "up");
      this.ip(end, "link", "set", "to-switch", "up");
    }
  }

  ip(label: string, ...args: readonly string[]): void {
    execFileSync("ip", ["-n", this.#nameOf(label), ...args]);
  }

  /** Starts a member of the network in a namespace, named after it. */
  async start(label: string, flags: Readonly<Record<string, unknown>> = {}): Promise<RemoteNode> {
    const home = new Home(join(this.#folder, label));
    const member = home.nodeKey().did;
    const options = { member, networkName: "test", addresses: [], nowMs: Date.now() };
    home.saveMembership(await issueMembershipFile(this.#root, options));
    const all = { home: home.path, name: label, listenPort: 7441, mdns: false, logLevel: "silent", ...flags };
    const node = await RemoteNode.start(this.#nameOf(label), JSON.stringify(all));
    this.#nodes.push(node);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
    for (const name of this.#names.values()) execFileSync("ip", ["netns", "del", name]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #nameOf(label: string): string {
    const name = this.#names.get(label);
    if (name === undefined) throw new Error(`there is no namespace ${label}`);
    return name;
  }
}

export interface CallOutcome {
  readonly value?: unknown;
  readonly code?: string;
  readonly afterMs: number;
}

export interface RemotePeer {
  readonly did: string;
  readonly name: string;
  readonly via?: string;
}

/** A node in another process. */
export class RemoteNode {
  readonly did: string;
  readonly addresses: readonly string[];
  readonly #child: ChildProcess;
  readonly #waiting: Map<number, PromiseWithResolvers<unknown>>;
  #lastId = 0;

  static async start(namespace: string, flags: string): Promise<RemoteNode> {
    const args = ["netns", "exec", namespace, process.execPath, "--conditions=easynet-source", CHILD, flags];
    const child = spawn("ip", args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const waiting = new Map<number, PromiseWithResolvers<unknown>>([[0, Promise.withResolvers()]]);
    child.on("message", (message: { id: number; value?: unknown; error?: string }) => {
      const asked = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error === undefined) asked?.resolve(message.value);
      else asked?.reject(new Error(message.error));
    });
    child.on("exit", () => {
      for (const asked of waiting.values()) asked.reject(new Error("the node's process ended"));
    });
    const ready = await waiting.get(0)?.promise;
    return new RemoteNode(child, waiting, isReady(ready) ? ready : { did: "", addresses: [] });
  }

  private constructor(
    child: ChildProcess,
    waiting: Map<number, PromiseWithResolvers<unknown>>,
    ready: { readonly did: string; readonly addresses: readonly string[] },
  ) {
    this.#child = child;
    this.#waiting = waiting;
    this.did = ready.did;
    this.addresses = ready.addresses;
  }

  async call(capability: string, value: string): Promise<CallOutcome> {
    const outcome = await this.#ask({ kind: "call", capability, value });
    if (
      typeof outcome === "object" &&
      outcome !== null &&
      "afterMs" in outcome &&
      typeof outcome.afterMs === "number"
    ) {
      return { ...outcome, afterMs: outcome.afterMs };
    }
    throw new Error("the call had no outcome");
  }

  async connect(address: string): Promise<void> {
    await this.#ask({ kind: "connect", address });
  }

  async peers(): Promise<readonly RemotePeer[]> {
    const peers = await this.#ask({ kind: "peers" });
    return Array.isArray(peers) ? peers : [];
  }

  /** What the process holds, after its garbage was collected. */
  async holdings(): Promise<Holdings> {
    return checked(await this.#ask({ kind: "holdings" }), isHoldings);
  }

  async seen(): Promise<Seen> {
    return checked(await this.#ask({ kind: "seen" }), isSeen);
  }

  async use(): Promise<Use> {
    return checked(await this.#ask({ kind: "use" }), isUse);
  }

  /** Plants a fault: from now on each call that it answers leaves something behind. */
  async leak(): Promise<void> {
    await this.#ask({ kind: "leak" });
  }

  /** Makes its event loop stand still for `blockMs` again and again. */
  async starve(blockMs: number, restMs: number): Promise<void> {
    await this.#ask({ kind: "starve", blockMs, restMs });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }

  #ask(request: object): Promise<unknown> {
    const id = ++this.#lastId;
    const asked = Promise.withResolvers<unknown>();
    this.#waiting.set(id, asked);
    this.#child.send({ id, ...request });
    return asked.promise;
  }
}

function checked<Value>(value: unknown, fits: (value: unknown) => value is Value): Value {
  if (!fits(value)) throw new Error("the node's process answered something else");
  return value;
}

function isReady(value: unknown): value is { readonly did: string; readonly addresses: readonly string[] } {
  return typeof value === "object" && value !== null && "did" in value && "addresses" in value;
}
