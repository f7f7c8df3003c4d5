import type { MessagePort } from "node:worker_threads";
import type { WireError } from "../kernel/index.ts";
import type { TaskContext } from "./types.ts";

/** What surrounds a task in a worker thread: data and a signal, nothing that belongs to the main thread. */
export type WorkerContext = Omit<TaskContext, "logger" | "clock">;

/** One call, as it is cloned into the thread. */
export interface WorkerJob {
  readonly capability: string;
  /** file: URL. */
  readonly module: string;
  readonly exportName: string;
  readonly args: readonly unknown[];
  /** Present when the function takes the context; `port` brings the abort. */
  readonly context?: { readonly data: Omit<WorkerContext, "signal">; readonly port: MessagePort };
}

export type WorkerOutcome =
  | { readonly kind: "value"; readonly value: unknown }
  /** The function threw something of its own: classes do not survive cloning, names and messages do. */
  | { readonly kind: "thrown"; readonly name: string; readonly reason: string }
  | { readonly kind: "error"; readonly error: WireError };
