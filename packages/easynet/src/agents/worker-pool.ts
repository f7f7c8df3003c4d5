import { availableParallelism } from "node:os";
import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { Piscina } from "piscina";
import {
  type Clock,
  EasynetError,
  fromWireError,
  isEasynetError,
  type Timer,
  toEasynetError,
} from "../kernel/index.ts";
import { describeThrown } from "./failure.ts";
import type { TaskContext } from "./types.ts";
import type { WorkerFunction } from "./function-options.ts";
import type { WorkerContext, WorkerJob, WorkerOutcome } from "./worker-protocol.ts";

/** Threads without work are let go after this time, in ms: each holds some 10 MB. */
const IDLE_MS = 30_000;
/** How long a function that takes the context may react to its signal before its thread is ended, in ms. */
const STOP_GRACE_MS = 300;
/** Calls that wait for a thread; admission keeps them far fewer. */
const QUEUE_COUNT_MAX = 1024;

/** In the sources the entry is TypeScript, in the built package JavaScript. */
const ENTRY = new URL(import.meta.url.endsWith(".ts") ? "./worker-entry.ts" : "./worker-entry.js", import.meta.url);

export interface WorkerPoolOptions {
  /** @default the cores that this process may use, at least 1 */
  readonly threads?: number | undefined;
  readonly clock: Clock;
}

export interface WorkerCall {
  readonly capability: string;
  readonly target: WorkerTarget;
  readonly args: readonly unknown[];
  readonly withContext: boolean;
}

/** Where a worker function is found. */
export interface WorkerTarget {
  /** file: URL. */
  readonly module: string;
  readonly exportName: string;
}

/** Worker threads for functions that burn CPU, so that the node's own loop goes on. Threads start with the first call. */
export class WorkerPool {
  readonly threads: number;
  readonly #clock: Clock;
  #pool: Promise<Piscina> | undefined;
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.threads = Math.max(1, options.threads ?? availableParallelism());
    this.#clock = options.clock;
  }

  /**
   * Runs one call. When the task's signal aborts, a function that takes the context may react; then, or at once,
   * its thread is ended: nothing else stops a loop. Arguments and value are copied (structured clone).
   * @throws {EasynetError} FUNCTION_FAILED, INVALID_ARGUMENT, the signal's reason
   */
  async run(call: WorkerCall, context: TaskContext): Promise<unknown> {
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    this.#pool ??= this.#start();
    const pool = await this.#pool;
    const { signal } = context;
    if (signal.aborted) throw toEasynetError(signal.reason);
    const channel = call.withContext ? new MessageChannel() : undefined;
    const terminator = new AbortController();
    let graceTimer: Timer | undefined;
    const onAbort = (): void => {
      if (!channel) return terminator.abort();
      channel.port1.postMessage(toEasynetError(signal.reason).toJSON());
      graceTimer = this.#clock.setTimer(STOP_GRACE_MS, () => terminator.abort());
      return undefined;
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const job = jobOf(call, context, channel?.port2);
      const transferList = channel ? [channel.port2] : [];
      // The entry is ours, so its answer has this type.
      const outcome: WorkerOutcome = await pool.run(job, { signal: terminator.signal, transferList });
      return valueOf(outcome, call.capability);
    } catch (error) {
      if (signal.aborted) throw toEasynetError(signal.reason);
      if (isEasynetError(error)) throw error;
      const details = { capability: call.capability, name: "WorkerFailed", reason: workerFailure(error) };
      throw new EasynetError("FUNCTION_FAILED", details, { cause: error });
    } finally {
      graceTimer?.cancel();
      signal.removeEventListener("abort", onAbort);
      channel?.port1.close();
    }
  }

  /** Ends all threads; calls that run fail. */
  async close(): Promise<void> {
    this.#closed = true;
    const pool = await this.#pool;
    this.#pool = undefined;
    await pool?.destroy();
  }

  async #start(): Promise<Piscina> {
    // Loaded with the first worker function, because most nodes have none.
    const { Piscina: Pool } = await import("piscina");
    return new Pool({
      filename: ENTRY.href,
      minThreads: 0,
      maxThreads: this.threads,
      idleTimeout: IDLE_MS,
      maxQueue: QUEUE_COUNT_MAX,
      // A thread must hear of an abort while its function awaits something.
      atomics: "disabled",
    });
  }
}

/** @throws {EasynetError} INVALID_ARGUMENT unless the module is a file: URL or an absolute path */
export function workerTarget(name: string, shared: WorkerFunction): WorkerTarget {
  const exportName = shared.export ?? "default";
  const module = shared.module instanceof URL ? shared.module.href : shared.module;
  if (module.startsWith("file:")) return { module, exportName };
  if (isAbsolute(module)) return { module: pathToFileURL(module).href, exportName };
  const reason = 'its module must be a file: URL, e.g. new URL("./work.js", import.meta.url)';
  throw new EasynetError("INVALID_ARGUMENT", { subject: `The worker function ${name}`, reason });
}

function jobOf(call: WorkerCall, context: TaskContext, port: MessagePort | undefined): WorkerJob {
  const { capability, target, args } = call;
  const job = { capability, args, ...target };
  return port ? { ...job, context: { data: dataOf(context), port } } : job;
}

function dataOf(context: TaskContext): Omit<WorkerContext, "signal"> {
  const { signal: _signal, logger: _logger, clock: _clock, ...data } = context;
  return data;
}

function valueOf(outcome: WorkerOutcome, capability: string): unknown {
  if (outcome.kind === "value") return outcome.value;
  if (outcome.kind === "error") throw fromWireError(outcome.error);
  const { name, reason } = outcome;
  throw new EasynetError("FUNCTION_FAILED", { capability, name, reason });
}

/** The thread ended, or the value could not be copied: the latter arrives with its text only in the stack. */
function workerFailure(error: unknown): string {
  const { reason } = describeThrown(error);
  if (reason !== "") return reason;
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return stack.split("\n")[0] ?? "";
}
