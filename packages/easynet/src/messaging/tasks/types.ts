import type { Did } from "../../identity/index.ts";
import type { AgentEvent, Durability, TaskState } from "../../model/index.ts";
import type { ExchangeRequest } from "../types.ts";

/** What a provider knows of a capability before it takes a task of it. */
export interface Admission {
  readonly repeatable: boolean;
  /** A task of a `volatile` capability, which only an unusual caller stores, is kept on disk. */
  readonly durability: Durability;
}

/** Who runs what a provider stores. */
export interface TaskRunner {
  /**
   * @returns whether it may be run twice, and what it has to survive
   * @throws {EasynetError} CAPABILITY_UNKNOWN, OVERLOADED, NODE_STOPPING when it would not run now
   */
  admit(request: ExchangeRequest): Admission;
  /** Ends with one `final` or `error`. */
  run(request: ExchangeRequest, by: { readonly from: string; readonly signal: AbortSignal }): AsyncIterable<AgentEvent>;
}

export interface AttachOptions {
  /** Called once, before the first event. @param cursor number of the event before the first one that follows */
  readonly onAccepted: (cursor: number) => void;
  /** CANCELLED cancels the task; with any other reason but a passed deadline only this reader goes. */
  readonly signal: AbortSignal;
}

/** What a provider tells of a task that it stores. */
export interface ServedTask {
  readonly id: string;
  readonly caller: string;
  readonly capability: string;
  readonly state: Extract<TaskState, "working" | "completed" | "canceled" | "failed">;
  /** By the provider's clock, Unix epoch ms. */
  readonly acceptedAtMs: number;
  readonly endedAtMs: number | undefined;
}

/** The tasks that this node stores and runs for others, and for itself. */
export interface TaskServer {
  /** Takes up what an earlier process left unfinished. Call it once, before the first `attach`. */
  start(): void;
  /**
   * Stores and begins the task of this id, or finds it; then its events after the cursor, as they are written, to the
   * end. Refusals say `accepted: false` in their details: this node does not have the task.
   * @throws {EasynetError} TASK_ID_REUSED, TASK_FORGOTTEN, INPUT_TOO_LARGE, STORAGE_FULL, STORAGE_FAILED, and what `admit` throws
   */
  attach(from: Did, request: ExchangeRequest, options: AttachOptions): AsyncGenerator<AgentEvent, void, void>;
  /** Stops a task of this caller; nothing when it has ended. */
  cancel(from: Did, id: string): void;
  /** @throws {EasynetError} TASK_FORGOTTEN also for a task of another caller */
  find(from: Did, id: string): ServedTask;
  /** All that are kept, those of other callers included: for the owner of this node. */
  list(): readonly ServedTask[];
  /** Nothing new; what runs and does not end by itself stays unfinished on disk. */
  close(): void;
}
