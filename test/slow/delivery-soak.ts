/**
 * Ten minutes of stored messages between two full nodes at a steady pace, the recipient restarted once a minute: all
 * arrive once and in order, the outbox is empty at the end, files and memory stay as large as after the first fifth.
 * A case is a minute.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import { Home, loadConfig, startNode, type StartedNode } from "../../packages/easynet/src/node/index.ts";
import { until } from "../support/network.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

export const plan: SlowPlan = { cases: 10, batchCases: 10, issue: "04-messaging" };

const MINUTE_MS = 60_000;
const TURN_MS = 10;
const PER_TURN = 10;
/** Share of the run after which everything has its size: files are reused from then on, caches are full. */
const WARM_SHARE = 0.2;
const FILE_GROWTH_MAX = 1.5;
const HEAP_GROWTH_MAX = 1.3;
const DRAIN_MS = 60_000;

type Node = StartedNode["node"];

interface Size {
  readonly fileBytes: number;
  readonly heapBytes: number;
}

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

function sizeNow(folders: readonly string[]): Size {
  if (typeof collect === "function") collect();
  const files = folders.flatMap((folder) => [join(folder, "node.db"), join(folder, "node.db-wal")]);
  const fileBytes = files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
  const { heapUsed, external } = process.memoryUsage();
  return { fileBytes, heapBytes: heapUsed + external };
}

class Recipient {
  readonly #folder: string;
  readonly #bootstrap: readonly string[];
  #node: Node | undefined;
  handled = 0;
  wrong = 0;

  constructor(folder: string, bootstrap: readonly string[]) {
    this.#folder = folder;
    this.#bootstrap = bootstrap;
  }

  async start(): Promise<void> {
    const node = await open(this.#folder, "recipient", this.#bootstrap);
    this.#node = node;
    const agent = functionAgent({ name: "reader" });
    agent.registerHandler("note", ({ payload }) => {
      // Handled again after a restart is told apart from out of order: the number says so.
      if (payload !== this.handled) this.wrong++;
      this.handled++;
    });
    await node.addAgent(agent);
  }

  async stop(): Promise<void> {
    await this.#node?.stop();
    this.#node = undefined;
  }
}

async function open(folder: string, name: string, bootstrap: readonly string[]): Promise<Node> {
  const own = { home: folder, name, listenHost: "127.0.0.1", listenPort: 0, mdns: false, bootstrap };
  return (await startNode(loadConfig({ env: {}, flags: { ...own, logLevel: "silent" } }))).node;
}

export async function run({ cases, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "easynet-soak-"));
  const folders = [join(folder, "sender"), join(folder, "recipient")] as const;
  const sender = await open(folders[0], "sender", []);
  const home = new Home(folders[1]);
  home.saveMembership(await sender.delegateMembership(home.nodeKey().did));
  const recipient = new Recipient(folders[1], sender.status().addresses);
  await recipient.start();
  await until("the sender knows the reader", () => sender.status().counts.agents === 1);
  let [sent, refused] = [0, 0];
  const warm: Size[] = [];
  const startMs = performance.now();
  const totalMs = cases * MINUTE_MS;
  let restarts = 0;
  for (let passedMs = 0; passedMs < totalMs; passedMs = performance.now() - startMs) {
    for (let count = 0; count < PER_TURN; count++) {
      const content = { kind: "note", payload: sent++, wait: "stored", durability: "disk" } as const;
      sender.messages.send("reader", content).catch(() => refused++);
    }
    if (passedMs > totalMs * WARM_SHARE && warm.length === 0) warm.push(sizeNow(folders));
    if (passedMs > (restarts + 0.5) * MINUTE_MS) {
      restarts++;
      await recipient.stop();
      await recipient.start();
      onProgress(restarts);
    }
    await sleep(TURN_MS);
  }
  const endMs = performance.now() + DRAIN_MS;
  const queued = (): number => sender.messages.outbox().reduce((sum, lane) => sum + lane.queued, 0);
  while ((queued() > 0 || recipient.handled < sent) && performance.now() < endMs) await sleep(100);
  const left = queued();
  const end = sizeNow(folders);
  await recipient.stop();
  await sender.stop();
  rmSync(folder, { recursive: true, force: true });
  const { handled, wrong } = recipient;
  return { cases, ...judged({ sent, refused, handled, wrong, left, restarts }, warm[0] ?? end, end) };
}

function judged(
  counts: Readonly<Record<"sent" | "refused" | "handled" | "wrong" | "left" | "restarts", number>>,
  warm: Size,
  end: Size,
): Pick<Required<SlowOutcome>, "failures" | "figures"> {
  const { sent, refused, handled, wrong, left } = counts;
  const failures = [
    ...(refused > 0 ? [`${refused} messages were refused`] : []),
    ...(handled === sent ? [] : [`${handled} of ${sent} messages were handled`]),
    ...(wrong > 0 ? [`${wrong} messages came out of their order or twice`] : []),
    ...(left > 0 ? [`${left} messages are left in the outbox`] : []),
    ...(end.fileBytes > warm.fileBytes * FILE_GROWTH_MAX ? ["the files grew"] : []),
    ...(end.heapBytes > warm.heapBytes * HEAP_GROWTH_MAX ? ["the memory grew"] : []),
  ];
  const figures = {
    ...counts,
    warmFileBytes: warm.fileBytes,
    endFileBytes: end.fileBytes,
    warmHeapBytes: warm.heapBytes,
    endHeapBytes: end.heapBytes,
  };
  return { failures, figures };
}
