import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { EasynetError } from "../../kernel/index.ts";
import { Home, membershipFileSchema } from "../../node/index.ts";
import { readStatus } from "../commands/status.ts";
import { LocalClient } from "../local-client.ts";

const READY_TIMEOUT_MS = 15_000;
/** Members must have found each other by multicast after this long; then the demo links them by address. */
const DISCOVERY_TIMEOUT_MS = 4_000;
const POLL_INTERVAL_MS = 20;

export interface DemoNode {
  readonly name: string;
  readonly home: string;
  readonly did: string;
  readonly process: ChildProcess;
  readonly api: LocalClient;
}

/** Three node processes of one private network, in folders of their own under the temporary folder. */
export class DemoNetwork implements AsyncDisposable {
  readonly nodes: DemoNode[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "easynet-demo-"));
  readonly #loopback = loopbackName();

  /** The first node creates the network; the others get their membership from it. Resolves when the process serves. */
  async startNode(name: string): Promise<DemoNode> {
    const home = new Home(join(this.#folder, name));
    const first = this.nodes[0];
    if (first) {
      const answer = await first.api.post("/api/memberships", { member: home.nodeKey().did });
      // Without the addresses that it comes with: the nodes are to find each other.
      home.saveMembership({ ...membershipFileSchema.parse(answer), addresses: [] });
    }
    const args = ["--home", home.path, "--name", name];
    if (this.#loopback !== undefined) args.push("--interface", this.#loopback);
    const child = fork(new URL(`./demo-node${extension()}`, import.meta.url), args, {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const did = await ready(child, name);
    const node: DemoNode = { name, home: home.path, did, process: child, api: LocalClient.open(home.path) };
    this.nodes.push(node);
    return node;
  }

  /**
   * Waits until every node is linked with every other one.
   * @returns whether multicast did it, or the addresses had to be given
   */
  async waitUntilLinked(): Promise<"multicast" | "addresses"> {
    if (await this.#linked(DISCOVERY_TIMEOUT_MS)) return "multicast";
    const [first, ...others] = this.nodes;
    for (const other of others) {
      const status = await readStatus(other.api);
      await first?.api.post("/api/peers", { address: status.addresses[0] ?? "" });
    }
    if (await this.#linked(READY_TIMEOUT_MS)) return "addresses";
    throw new EasynetError("DEADLINE_EXCEEDED", { subject: "Linking the nodes", timeoutMs: READY_TIMEOUT_MS });
  }

  async #linked(timeoutMs: number): Promise<boolean> {
    const untilMs = performance.now() + timeoutMs;
    while (performance.now() < untilMs) {
      const counts = await Promise.all(this.nodes.map(async ({ api }) => (await readStatus(api)).counts));
      if (counts.every(({ nodes, peers }) => nodes === this.nodes.length && peers === this.nodes.length - 1))
        return true;
      await pause(POLL_INTERVAL_MS);
    }
    return false;
  }

  /** Ends one node the hard way: no goodbye, no clean-up. Resolves when the process is gone. */
  async kill(node: DemoNode): Promise<void> {
    const gone = exited(node.process);
    node.process.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.nodes.map(async ({ process: child }) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = exited(child);
        if (child.connected) child.disconnect();
        const timer = setTimeout(() => child.kill("SIGKILL"), 6_000);
        await gone;
        clearTimeout(timer);
      }),
    );
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Multicast between processes of one machine goes over the loopback interface: nothing leaves the machine. */
function loopbackName(): string | undefined {
  const entries = Object.entries(networkInterfaces());
  return entries.find(([, addresses]) => addresses?.some(({ address }) => address === "127.0.0.1"))?.[0];
}

/** `.ts` when run from source, `.js` when built. */
function extension(): string {
  return import.meta.url.endsWith(".ts") ? ".ts" : ".js";
}

function ready(child: ChildProcess, name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new EasynetError("DEADLINE_EXCEEDED", { subject: `Starting ${name}`, timeoutMs: READY_TIMEOUT_MS }));
    }, READY_TIMEOUT_MS);
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new EasynetError("PEER_UNREACHABLE", { peer: name, reason: `its process ended with ${code}` }));
    });
    child.once("message", (message) => {
      clearTimeout(timer);
      child.removeAllListeners("exit");
      const did = typeof message === "object" && "did" in message ? String(message.did) : "";
      resolve(did);
    });
  });
}

function exited(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}
