import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { generateKeyPair, type KeyPair } from "../../packages/easynet/src/identity/index.ts";
import type { GroupReport, Lease } from "../../packages/easynet/src/state/index.ts";
import type { ConsensusChildConfig, ConsensusNews, ConsensusOrder, LoadFigures } from "./consensus-child.ts";

const CHILD = fileURLToPath(new URL("consensus-child.ts", import.meta.url));
const READY_TIMEOUT_MS = 60_000;

interface Answers {
  readonly report: GroupReport;
  readonly load: LoadFigures;
  readonly write: undefined;
  readonly keys: readonly string[];
  readonly acquire: Lease | undefined;
  readonly stop: undefined;
}

/** One member in a process of its own. */
export class MemberProcess {
  readonly did: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly ready: Promise<void>;
  #count = 0;

  constructor(did: string, config: ConsensusChildConfig, hear: (news: ConsensusNews) => void) {
    this.did = did;
    this.#child = fork(CHILD, [JSON.stringify(config)], { execPath: process.execPath });
    this.ready = new Promise((resolve, reject) => {
      this.#child.on("message", (news: ConsensusNews) => {
        if (news.kind === "ready") resolve();
        if (news.kind === "answer") this.#answered(news);
        hear(news);
      });
      this.#child.once("exit", () => {
        reject(new Error("a member ended"));
        for (const { reject: fail } of this.#waiting.values()) fail(new Error("a member ended"));
        this.#waiting.clear();
      });
    });
    this.ready.catch(() => undefined);
  }

  async ask<Kind extends keyof Answers>(order: Extract<ConsensusOrder, { readonly do: Kind }>): Promise<Answers[Kind]>;
  async ask(order: ConsensusOrder): Promise<unknown> {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, order }, (error) => {
        if (error) reject(error);
      });
    });
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  #answered({ id, value, error }: Extract<ConsensusNews, { readonly kind: "answer" }>): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }
}

/** Members of one group, each a process with a store on disk and links over TCP. */
export class ConsensusCluster implements AsyncDisposable {
  readonly members: MemberProcess[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "easynet-consensus-"));
  readonly #root = generateKeyPair();
  readonly #keys: readonly KeyPair[];
  readonly #ports: readonly number[];
  readonly #hear: (index: number, news: ConsensusNews) => void;

  private constructor(ports: readonly number[], hear: (index: number, news: ConsensusNews) => void) {
    this.#ports = ports;
    this.#keys = ports.map(() => generateKeyPair());
    this.#hear = hear;
    for (const index of ports.keys()) mkdirSync(join(this.#folder, String(index)));
  }

  /** Started, linked, and all of them voters. */
  static async start(
    count: number,
    hear: (index: number, news: ConsensusNews) => void = () => undefined,
  ): Promise<ConsensusCluster> {
    const ports = await Promise.all(Array.from({ length: count }, async () => freePort()));
    const cluster = new ConsensusCluster(ports, hear);
    for (const index of ports.keys()) await cluster.launch(index);
    const endsAt = performance.now() + READY_TIMEOUT_MS;
    while ((await cluster.voters()) < count) {
      if (performance.now() > endsAt) throw new Error("the group did not grow in time");
      await sleep(100);
    }
    return cluster;
  }

  /** Starts member `index`, or starts it again with what is on its disk. */
  async launch(index: number): Promise<MemberProcess> {
    const did = this.didOf(index);
    const config: ConsensusChildConfig = {
      folder: join(this.#folder, String(index)),
      root: hex(this.#root),
      key: hex(this.#keys[index] ?? this.#root),
      port: this.#ports[index] ?? 0,
      others: this.#ports.flatMap((port, other) =>
        other === index ? [] : [{ did: this.didOf(other), address: `127.0.0.1:${port}#${this.didOf(other)}` }],
      ),
      founds: index === 0,
    };
    const member = new MemberProcess(did, config, (news) => this.#hear(index, news));
    this.members[index] = member;
    await member.ready;
    return member;
  }

  didOf(index: number): string {
    return this.#keys[index]?.did ?? "";
  }

  async voters(): Promise<number> {
    const report = await this.members[0]?.ask({ do: "report" });
    return report?.members.filter(({ vote }) => vote === "voter").length ?? 0;
  }

  /** Index of the member that leads, asked of all that live. */
  async leader(): Promise<number> {
    for (let tries = 0; tries < 300; tries++) {
      const reports = await Promise.all(
        this.members.map(async (member) => member.ask({ do: "report" }).catch(() => undefined)),
      );
      const index = reports.findIndex((report) => report?.role === "leader");
      if (index >= 0) return index;
      await sleep(50);
    }
    throw new Error("nobody leads");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map(async (member) => member.kill()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function hex(keyPair: KeyPair): string {
  return Buffer.from(keyPair.exportSeed()).toString("hex");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}
