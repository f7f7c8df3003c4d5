/** Stands in for Maelstrom, which cannot be had from npm: starts the nodes, carries messages between them, asks as clients. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Random, seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import { type MaelstromBody, type MaelstromMessage, parseMessage } from "./protocol.ts";
import type { WorkloadName } from "./workloads.ts";

/** Three processes that compile their sources; long, because others may want the machine. */
const START_MS_MAX = 60_000;
const CHILD = fileURLToPath(new URL("maelstrom-child.ts", import.meta.url));

export interface ClusterOptions {
  readonly workload: WorkloadName;
  readonly nodeCount: number;
  readonly seed: number;
  /** Between nodes, one way. @default 5 */
  readonly latencyMsMax?: number;
  /** Of messages between nodes, 0 to 1. @default 0 */
  readonly lossRatio?: number;
}

/** An answer; undefined when none came in time. */
export type Answer = MaelstromBody | undefined;

export class Cluster {
  readonly nodes: readonly string[];
  readonly random: Random;
  readonly #options: ClusterOptions;
  readonly #children = new Map<string, ChildProcessWithoutNullStreams>();
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #messageCount = 0;
  #reachable: (from: string, to: string) => boolean = () => true;
  #trouble = "";

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed);
    this.nodes = Array.from({ length: options.nodeCount }, (_, index) => `n${index + 1}`);
  }

  /** @throws when a node does not answer its `init` */
  async start(): Promise<void> {
    for (const node of this.nodes) this.#spawn(node);
    const answers = await Promise.all(
      this.nodes.map(async (node) => {
        const init = { type: "init", node_id: node, node_ids: this.nodes };
        return this.ask(node, init, START_MS_MAX);
      }),
    );
    if (answers.every((answer) => answer?.type === "init_ok")) return;
    throw new Error(`a node did not start: ${JSON.stringify(answers)} ${this.#trouble}`);
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.#children.values()].map(async (child) => {
        if (child.exitCode !== null) return;
        const closed = once(child, "close");
        child.stdin.end();
        await closed;
      }),
    );
    if (this.#trouble !== "") throw new Error(`a node said: ${this.#trouble}`);
  }

  /** Asks a node as a client. */
  async ask(node: string, body: MaelstromBody, timeoutMs = 2000): Promise<Answer> {
    const id = ++this.#messageCount;
    const answer = new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      setTimeout(() => this.#settle(id, undefined), timeoutMs).unref();
    });
    this.#deliver({ src: "c1", dest: node, body: { ...body, msg_id: id } });
    return answer;
  }

  /** A part of the nodes does not hear the others. */
  partition(part: readonly string[]): void {
    this.#reachable = (from, to) => part.includes(from) === part.includes(to);
  }

  heal(): void {
    this.#reachable = () => true;
  }

  /** Divides and heals again and again for a while. */
  async disturb(durationMs: number): Promise<void> {
    for (let leftMs = durationMs; leftMs > 0;) {
      const pauseMs = 300 + this.random.next() * 700;
      const cutMs = 1000 + this.random.next() * 1000;
      leftMs -= pauseMs + cutMs;
      await sleep(pauseMs);
      const order = this.nodes.toSorted(() => this.random.next() - 0.5);
      this.partition(order.slice(0, Math.ceil(this.random.next() * (order.length / 2))));
      await sleep(cutMs);
      this.heal();
    }
  }

  #spawn(node: string): void {
    const child = spawn(process.execPath, ["--conditions=easynet-source", CHILD, this.#options.workload]);
    this.#children.set(node, child);
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#trouble += text));
    createInterface({ input: child.stdout }).on("line", (line) => this.#route(parseMessage(line)));
  }

  #route(message: MaelstromMessage): void {
    const { in_reply_to: id } = message.body;
    if (message.dest.startsWith("c")) {
      if (id !== undefined) this.#settle(id, message.body);
      return;
    }
    const { latencyMsMax = 5, lossRatio = 0 } = this.#options;
    if (this.random.next() < lossRatio) return;
    setTimeout(() => this.#deliver(message), this.random.next() * latencyMsMax);
  }

  #deliver(message: MaelstromMessage): void {
    const fromNode = this.nodes.includes(message.src);
    if (fromNode && !this.#reachable(message.src, message.dest)) return;
    const stdin = this.#children.get(message.dest)?.stdin;
    if (stdin?.writable === true) stdin.write(`${JSON.stringify(message)}\n`);
  }

  #settle(id: number, answer: Answer): void {
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
  }
}
