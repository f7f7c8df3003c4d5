import { Worker } from "node:worker_threads";
import { EasynetError, type Logger, type Metrics } from "../kernel/index.ts";
import { weighWrites } from "./checks.ts";
import { CommitGroup } from "./commit-group.ts";
import { toStoreError } from "./failures.ts";
import { GROUP_BYTES_MAX, QUEUE_BYTES_MAX } from "./limits.ts";
import type { CommitOptions, Write } from "./types.ts";
import type { CommitFailure, Failure, FromWriter, WriterData } from "./writer-protocol.ts";

/** From source the worker is TypeScript that Node strips; from dist it is JavaScript. */
const WORKER_URL = new URL(
  import.meta.url.endsWith(".ts") ? "./writer-worker.ts" : "./writer-worker.js",
  import.meta.url,
);

export interface WriterPorts {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * The main thread's end of the writer thread. Natural group commit: one group is at the disk, and everything that
 * arrives meanwhile joins the next; no timer, so a lone commit waits for nobody.
 */
export class Writer {
  readonly #path: string;
  readonly #worker: Worker;
  readonly #ports: WriterPorts;
  readonly #waiting: CommitGroup[] = [];
  #inFlight: CommitGroup | undefined;
  #queuedBytes = 0;
  #sendScheduled = false;
  /** Why no commit is taken any more; set by close and by the death of the thread. */
  #ended: Failure | undefined;
  #drained: (() => void) | undefined;
  readonly #exited: Promise<void>;

  private constructor(data: WriterData, worker: Worker, ports: WriterPorts) {
    this.#path = data.path;
    this.#worker = worker;
    this.#ports = ports;
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#fail("the writer thread ended");
        resolve();
      });
    });
    worker.on("message", (message: FromWriter) => {
      if (message.kind === "done") this.#done(message.failures);
    });
    worker.on("error", (error) => this.#fail(`the writer thread died: ${describe(error)}`));
    // An idle store does not keep the process alive; one with commits under way does.
    worker.unref();
  }

  /** Starts the thread and waits until it has opened the file. @throws {EasynetError} STORAGE_* */
  static async start(
    data: WriterData,
    ports: WriterPorts,
    workerUrl: URL = WORKER_URL,
  ): Promise<{ readonly writer: Writer; readonly checked: boolean }> {
    const worker = new Worker(workerUrl, { workerData: data, execArgv: [], name: "easynet-store" });
    const first = await firstMessage(worker);
    if (first.kind === "refused") throw toStoreError(first.failure, data.path);
    return { writer: new Writer(data, worker, ports), checked: first.kind === "ready" && first.checked };
  }

  async commit(writes: readonly Write[], { durability = "disk" }: CommitOptions = {}): Promise<void> {
    if (this.#ended) throw toStoreError(this.#ended, this.#path);
    const weight = weighWrites(writes);
    if (writes.length === 0) return;
    if (this.#queuedBytes + weight > QUEUE_BYTES_MAX) {
      this.#ports.metrics.count("easynet_store_rejected_total", { reason: "overloaded" });
      throw new EasynetError("OVERLOADED", { subject: `the store ${this.#path}`, queued: this.#queuedCount() });
    }
    this.#queuedBytes += weight;
    await new Promise<void>((resolve, reject) => {
      this.#groupFor(weight).add(writes, { weight, durability, resolve, reject });
      this.#scheduleSend();
    });
  }

  /** Waits for what was taken, calls `beforeFileClosed`, then lets the thread close the file. */
  async close(beforeFileClosed?: () => void): Promise<void> {
    if (!this.#ended) {
      this.#ended = { code: "STORAGE_FAILED", reason: "it was closed" };
      if (this.#inFlight || this.#waiting.length > 0) {
        await new Promise<void>((resolve) => {
          this.#drained = resolve;
        });
      }
      beforeFileClosed?.();
      this.#worker.ref();
      this.#worker.postMessage({ kind: "close" });
    } else beforeFileClosed?.();
    await this.#exited;
  }

  #groupFor(weight: number): CommitGroup {
    const last = this.#waiting.at(-1);
    if (last && last.weight + weight <= GROUP_BYTES_MAX) return last;
    const group = new CommitGroup();
    this.#waiting.push(group);
    return group;
  }

  /** In a microtask, so that commits made in one turn of the event loop share the first group already. */
  #scheduleSend(): void {
    if (this.#inFlight || this.#sendScheduled) return;
    this.#sendScheduled = true;
    queueMicrotask(() => {
      this.#sendScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    const group = this.#waiting.shift();
    this.#inFlight = group;
    if (!group) {
      this.#worker.unref();
      this.#drained?.();
      return;
    }
    this.#worker.ref();
    const message = group.toMessage();
    this.#worker.postMessage(message, [message.bytes.buffer]);
  }

  #done(failures: readonly CommitFailure[]): void {
    const group = this.#inFlight;
    if (!group) return;
    this.#queuedBytes -= group.weight;
    this.#inFlight = undefined;
    // The next group goes to the disk before the callers of this one run.
    this.#send();
    const { metrics, logger } = this.#ports;
    metrics.count("easynet_store_groups_total");
    metrics.count("easynet_store_commits_total", {}, group.commits.length - failures.length);
    metrics.gauge("easynet_store_queued_bytes", this.#queuedBytes);
    const failed = new Map(failures.map((item) => [item.index, item.failure]));
    for (const [index, commit] of group.commits.entries()) {
      const failure = failed.get(index);
      if (failure) commit.reject(toStoreError(failure, this.#path));
      else commit.resolve();
    }
    for (const { failure } of failures) metrics.count("easynet_store_rejected_total", { reason: failure.code });
    if (failures[0]) logger.warn("store commit failed", { count: failures.length, ...failures[0].failure });
  }

  #fail(reason: string): void {
    this.#ended ??= { code: "STORAGE_FAILED", reason };
    const groups = [...(this.#inFlight ? [this.#inFlight] : []), ...this.#waiting.splice(0)];
    this.#inFlight = undefined;
    this.#queuedBytes = 0;
    if (groups.length > 0) this.#ports.logger.error("store writer failed", { reason });
    for (const { commits } of groups) {
      for (const { reject } of commits) {
        reject(new EasynetError("STORAGE_FAILED", { path: this.#path, reason }));
      }
    }
    this.#drained?.();
  }

  #queuedCount(): number {
    const waiting = this.#waiting.reduce((sum, group) => sum + group.commits.length, 0);
    return waiting + (this.#inFlight?.commits.length ?? 0);
  }
}

/** "ready" or "refused", whatever comes first; a thread that dies before it speaks is a refusal. */
async function firstMessage(worker: Worker): Promise<FromWriter> {
  return new Promise((resolve) => {
    const refuse = (reason: string): void => {
      resolve({ kind: "refused", failure: { code: "STORAGE_FAILED", reason } });
    };
    const onError = (error: unknown): void => refuse(`the writer thread did not start: ${describe(error)}`);
    const onExit = (): void => refuse("the writer thread did not start");
    worker.once("error", onError);
    worker.once("exit", onExit);
    worker.once("message", (message: FromWriter) => {
      worker.off("error", onError);
      worker.off("exit", onExit);
      resolve(message);
    });
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
