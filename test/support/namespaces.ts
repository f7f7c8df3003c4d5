import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { generateKeyPair, type KeyPair } from "../../packages/easynet/src/identity/index.ts";
import { Home } from "../../packages/easynet/src/node/index.ts";
import { issueMembershipFile } from "../../packages/easynet/src/node/network.ts";
import { AskedChild } from "./asked-child.ts";
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

/** Why no router with address translation can be made here; undefined when one can. */
export function routersMissing(): string | undefined {
  const missing = namespacesMissing();
  if (missing !== undefined) return missing;
  const name = `easynet-probe-${process.pid}`;
  try {
    execFileSync("ip", ["netns", "add", name], { stdio: "pipe" });
    execFileSync("ip", ["netns", "exec", name, "nft", "add table ip probe"], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return error instanceof Error ? `no nftables: ${error.message.split("\n", 1)[0]}` : String(error);
  } finally {
    execFileSync("ip", ["netns", "del", name], { stdio: "pipe" });
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

  /** Runs a program inside a namespace. */
  run(label: string, program: string, ...args: readonly string[]): void {
    execFileSync("ip", ["netns", "exec", this.#nameOf(label), program, ...args], { stdio: "pipe" });
  }

  /** Makes a namespace pass packets on between its cables. */
  forwards(label: string): void {
    this.run(label, "sysctl", "-qw", "net.ipv4.ip_forward=1");
  }

  ip(label: string, ...args: readonly string[]): void {
    execFileSync("ip", ["-n", this.#nameOf(label), ...args]);
  }

  /** A switch between namespaces that passes everything on, except multicast when it is told so. */
  bridge(label: string, ports: readonly (readonly [string, string])[], options: { readonly multicast: boolean }): void {
    this.ip(label, "link", "add", "switch", "type", "bridge", "mcast_snooping", "0");
    this.ip(label, "link", "set", "switch", "up");
    for (const [to, address] of ports) {
      const pair = ["link", "add", `to-${label}`, "netns", this.#nameOf(to), "type", "veth"];
      execFileSync("ip", [...pair, "peer", "name", `to-${to}`, "netns", this.#nameOf(label)]);
      this.ip(to, "addr", "add", address, "dev", `to-${label}`);
      this.ip(to, "link", "set", `to-${label}`, "up");
      this.ip(label, "link", "set", `to-${to}`, "master", "switch", "up");
      const flood = options.multicast ? "on" : "off";
      this.ip(label, "link", "set", `to-${to}`, "type", "bridge_slave", "mcast_flood", flood);
    }
  }

  /** From now on that part of all packets of a namespace is lost, in and out, loopback excepted; 0 = none. */
  lose(label: string, lossRatio: number): void {
    const iptables = (...args: readonly string[]): void => {
      const [program = "", ...rest] = this.prefix(label);
      execFileSync(program, [...rest, "iptables", ...args], { stdio: "pipe" });
    };
    iptables("--flush");
    if (lossRatio === 0) return;
    const random = ["-m", "statistic", "--mode", "random", "--probability", String(lossRatio), "-j", "DROP"];
    iptables("-A", "INPUT", "!", "-i", "lo", ...random);
    iptables("-A", "OUTPUT", "!", "-o", "lo", ...random);
  }

  /** Waits until the cables of a namespace carry: the kernel tells that up to a second after they were plugged in. */
  async untilCarried(label: string): Promise<void> {
    const pending = (): boolean =>
      execFileSync("ip", ["-n", this.#nameOf(label), "-o", "link", "show", "up"], { encoding: "utf8" })
        .split("\n")
        .some((line) => line.includes("to-") && !line.includes("state UP"));
    for (const endMs = performance.now() + 5000; pending() && performance.now() < endMs;) await sleep(20);
  }

  /** What to write before a program so that it runs there. */
  prefix(label: string): readonly string[] {
    return ["ip", "netns", "exec", this.#nameOf(label)];
  }

  /** Starts a member of the network in a namespace, named after it. */
  async start(label: string, flags: Readonly<Record<string, unknown>> = {}): Promise<RemoteNode> {
    const home = new Home(join(this.#folder, label));
    const member = home.nodeKey().did;
    const options = { member, networkName: "test", addresses: [], mayInvite: true, nowMs: Date.now() };
    home.saveMembership(await issueMembershipFile({ keyPair: this.#root }, options));
    const all = { home: home.path, name: label, listenPort: 7441, mdns: false, logLevel: "silent", ...flags };
    const node = await RemoteNode.start(this.prefix(label), JSON.stringify(all));
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
  readonly #child: AskedChild;

  /** @param prefix what makes the program run in its namespace */
  static async start(prefix: readonly string[], flags: string): Promise<RemoteNode> {
    const child = new AskedChild([...prefix, process.execPath, "--conditions=easynet-source", CHILD, flags]);
    const ready = await child.ready();
    return new RemoteNode(child, isReady(ready) ? ready : { did: "", addresses: [] });
  }

  private constructor(child: AskedChild, ready: { readonly did: string; readonly addresses: readonly string[] }) {
    this.#child = child;
    this.did = ready.did;
    this.addresses = ready.addresses;
  }

  async call(capability: string, value: string): Promise<CallOutcome> {
    const outcome = await this.#child.ask({ kind: "call", capability, value });
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
    await this.#child.ask({ kind: "connect", address });
  }

  async peers(): Promise<readonly RemotePeer[]> {
    const peers = await this.#child.ask({ kind: "peers" });
    return Array.isArray(peers) ? peers : [];
  }

  /** What the process holds, after its garbage was collected. */
  async holdings(): Promise<Holdings> {
    return checked(await this.#child.ask({ kind: "holdings" }), isHoldings);
  }

  async seen(): Promise<Seen> {
    return checked(await this.#child.ask({ kind: "seen" }), isSeen);
  }

  async use(): Promise<Use> {
    return checked(await this.#child.ask({ kind: "use" }), isUse);
  }

  /** Plants a fault: from now on each call that it answers leaves something behind. */
  async leak(): Promise<void> {
    await this.#child.ask({ kind: "leak" });
  }

  /** Makes its event loop stand still for `blockMs` again and again. */
  async starve(blockMs: number, restMs: number): Promise<void> {
    await this.#child.ask({ kind: "starve", blockMs, restMs });
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}

function checked<Value>(value: unknown, fits: (value: unknown) => value is Value): Value {
  if (!fits(value)) throw new Error("the node's process answered something else");
  return value;
}

function isReady(value: unknown): value is { readonly did: string; readonly addresses: readonly string[] } {
  return typeof value === "object" && value !== null && "did" in value && "addresses" in value;
}
