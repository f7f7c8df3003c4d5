/** Trials of discovery: nodes of a new network start in random order and have to find each other and their agents. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKeyPair } from "../../packages/easynet/src/identity/index.ts";
import { pick, type Random, sample } from "../../packages/easynet/src/kernel/index.ts";
import { Home } from "../../packages/easynet/src/node/index.ts";
import { issueMembershipFile } from "../../packages/easynet/src/node/network.ts";
import { AskedChild } from "./asked-child.ts";
import { Namespaces } from "./namespaces.ts";

const CHILD = join(import.meta.dirname, "trial-child.ts");
const LABELS = ["n1", "n2", "n3", "n4", "n5"] as const;
const START_JITTER_MS = 1000;

export interface TrialOptions {
  readonly random: Random;
  /** By multicast alone, or by the address of one member alone, as a code tells it. */
  readonly by: "multicast" | "address";
  /** Part of the packets that one machine, drawn by lot, loses in each direction. */
  readonly lossRatio: number;
  /** From the start of the last node. */
  readonly timeoutMs: number;
}

export interface TrialReport {
  /** From the first start until every node knew every node and agent. */
  readonly ms: number;
  /** `n3 does not know n1`, for every pair that failed. */
  readonly missing: readonly string[];
}

/** Five machines on one switch. */
export class Trials implements AsyncDisposable {
  readonly #net = new Namespaces();
  readonly #machines = new Map<string, AskedChild>();
  readonly #folder = mkdtempSync(join(tmpdir(), "easynet-trials-"));
  #count = 0;

  static async open(): Promise<Trials> {
    const trials = new Trials();
    const net = trials.#net;
    for (const label of [...LABELS, "switch"]) net.add(label);
    const ports = LABELS.map((label) => [label, addressOf(label, "/24")] as const);
    net.bridge("switch", ports, { multicast: true });
    for (const label of LABELS) {
      await net.untilCarried(label);
      const command = [...net.prefix(label), process.execPath, "--conditions=easynet-source", CHILD];
      trials.#machines.set(label, new AskedChild(command));
    }
    await Promise.all([...trials.#machines.values()].map((machine) => machine.ready()));
    return trials;
  }

  async run({ random, by, lossRatio, timeoutMs }: TrialOptions): Promise<TrialReport> {
    const number = ++this.#count;
    const root = generateKeyPair();
    const order = sample(random, LABELS, LABELS.length);
    const lossy = pick(random, LABELS);
    if (lossy) this.#net.lose(lossy, lossRatio);
    const startedAtMs = performance.now();
    const starts = order.map(async (label, index) => {
      const home = new Home(join(this.#folder, String(number), label));
      const names = { member: home.nodeKey().did, networkName: "trial" };
      const membership = { ...names, addresses: [], mayInvite: true, nowMs: Date.now() };
      home.saveMembership(await issueMembershipFile({ keyPair: root }, membership));
      // Let in by somebody who was there before; who starts first now is another matter.
      const host = pick(random, LABELS.slice(0, LABELS.indexOf(label)));
      const bootstrap = by === "address" && host ? [addressOf(host, ":7441")] : [];
      const flags = { home: home.path, name: label, mdns: by === "multicast", bootstrap, logLevel: "silent" };
      const delayMs = index * 50 + random.next() * START_JITTER_MS;
      return this.#ask(label, { kind: "start", delayMs, flags });
    });
    await Promise.all(starts);
    const answers = LABELS.map(async (label) => ({
      label,
      missing: await this.#ask(label, { kind: "known", names: LABELS, timeoutMs }),
    }));
    const known = await Promise.all(answers);
    const ms = performance.now() - startedAtMs;
    if (lossy) this.#net.lose(lossy, 0);
    await Promise.all(LABELS.map((label) => this.#ask(label, { kind: "stop" })));
    const missing = known.flatMap(({ label, missing: names }) =>
      Array.isArray(names) ? names.map((name) => `${label} does not know ${String(name)}`) : [],
    );
    return { ms, missing: missing.map((line) => `${line} (${lossy} loses packets, order ${order.join(" ")})`) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#machines.values()].map((machine) => machine.stop()));
    await this.#net[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ask(label: string, request: object): Promise<unknown> {
    return this.#machines.get(label)?.ask(request);
  }
}

function addressOf(label: string, ending: string): string {
  return `10.74.1.${label.slice(1)}${ending}`;
}
