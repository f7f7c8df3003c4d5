import { z } from "zod";
import type { Did } from "../../identity/index.ts";
import { type Clock, EasynetError, fromWireError, toEasynetError } from "../../kernel/index.ts";
import { type AgentEvent, checkSchema, type TaskError, type TaskState } from "../../model/index.ts";
import type { ExchangeRequest } from "../types.ts";
import { type AskedTask, lastStateOf } from "./asked-core.ts";
import { attachTo, type TaskWay } from "./task-way.ts";
import type { ServedTask } from "./types.ts";

/** The kind of message that asks a provider how a stored task is; its answer is {@link encodeState}. */
export const TASK_STATE_KIND = "task-state";

/** How long a provider may take to answer, its outcome included. */
const ANSWER_MS = 30_000;

/** A task of this node, as far as it can be known now. */
export interface TaskReport {
  readonly id: string;
  readonly capability: string;
  readonly node: string;
  readonly nodeName: string;
  readonly agentName: string;
  readonly state: Extract<TaskState, "submitted" | "working" | "completed" | "canceled" | "failed">;
  readonly createdAtMs: number;
  /** False: the provider is away, and this is what was known last. */
  readonly reached: boolean;
  /** Of a completed task. */
  readonly value?: unknown;
  readonly text?: string;
  /** What a streaming function yielded. */
  readonly items?: readonly unknown[];
  /** Of a task that failed or was canceled. */
  readonly error?: TaskError;
}

export interface ReportOptions extends TaskWay {
  readonly epoch: number;
  readonly clock: Clock;
  /** Stops the task, and waits for its end. */
  readonly cancel?: boolean;
}

const stateSchema = z.tuple([z.enum(["working", "completed", "canceled", "failed"])]).rest(z.unknown());

/** What travels back for {@link TASK_STATE_KIND}; fields are only added at the end. */
export function encodeState({ state, acceptedAtMs, endedAtMs }: ServedTask): readonly unknown[] {
  return [state, acceptedAtMs, endedAtMs ?? null];
}

/** @throws {EasynetError} TASK_FORGOTTEN when the provider has it no more, and what else it answers */
export async function readReport(task: AskedTask, options: ReportOptions): Promise<TaskReport> {
  const { id, capability, nodeName, agentName, createdAtMs } = task;
  const { node } = task;
  const known = { id, capability, node, nodeName, agentName, createdAtMs };
  try {
    const state = options.cancel === true ? "working" : await stateOf(task, node, options);
    if (state === "working" && options.cancel !== true) return { ...known, reached: true, state };
    return { ...known, reached: true, ...(await outcomeOf(task, node, options)) };
  } catch (thrown) {
    const error = toEasynetError(thrown);
    if (!AWAY.has(error.code)) throw error;
    return { ...known, reached: false, state: lastStateOf(task) };
  }
}

const AWAY: ReadonlySet<string> = new Set([
  "PEER_UNREACHABLE",
  "LINK_CLOSED",
  "PROVIDER_LOST",
  "BACKPRESSURE",
  "OVERLOADED",
  "NODE_STOPPING",
  "DEADLINE_EXCEEDED",
]);

async function stateOf(task: AskedTask, node: Did, options: ReportOptions): Promise<ServedTask["state"]> {
  const { self, server, exchanges } = options;
  if (node === self) return server.find(self, task.id).state;
  for await (const event of exchanges.open(node, requestOf(task, TASK_STATE_KIND, options))) {
    if (event.type === "error") throw fromWireError(event.error, { peer: task.nodeName });
    if (event.type !== "final") continue;
    const parsed = checkSchema(stateSchema, event.value);
    if (parsed.success) return parsed.data[0];
    const details = { peer: task.nodeName, capability: task.capability, reason: "a task's state" };
    throw new EasynetError("PROVIDER_MISBEHAVED", details);
  }
  throw new EasynetError("PROVIDER_LOST", { peer: task.nodeName, capability: task.capability });
}

type Outcome = Pick<TaskReport, "state" | "value" | "text" | "items" | "error">;

async function outcomeOf(task: AskedTask, node: Did, options: ReportOptions): Promise<Outcome> {
  const request = { ...requestOf(task, "task", options), task: { start: false, cursor: 0 } };
  const controller = new AbortController();
  const onAccepted = (): void => {
    if (options.cancel === true) controller.abort(new EasynetError("CANCELLED", { subject: task.capability }));
  };
  const items: unknown[] = [];
  for await (const event of attachTo(node, request, { ...options, signal: controller.signal, onAccepted })) {
    if (event.type === "item") items.push(event.value);
    else if (event.type === "final" || event.type === "error") return endOf(event, items);
  }
  throw new EasynetError("PROVIDER_LOST", { peer: task.nodeName, capability: task.capability });
}

function endOf(event: Extract<AgentEvent, { type: "final" | "error" }>, items: readonly unknown[]): Outcome {
  const yielded = items.length > 0 && { items };
  if (event.type === "error") {
    return { state: event.error.code === "CANCELLED" ? "canceled" : "failed", error: event.error, ...yielded };
  }
  const { value, text } = event;
  return { state: "completed", value, ...(text !== undefined && { text }), ...yielded };
}

function requestOf(task: AskedTask, kind: string, { self, epoch, clock }: ReportOptions): ExchangeRequest {
  const nowMs = clock.nowMs();
  return {
    envelope: {
      id: task.id,
      from: self,
      to: task.node,
      kind,
      createdAtMs: nowMs,
      deadlineAtMs: nowMs + ANSWER_MS,
      priority: "normal",
      hopsLeft: 1,
      depth: 0,
      lane: "normal",
      sequence: 0,
      epoch,
    },
    capability: task.capability,
    input: { args: [], kwargs: {} },
    ...(task.agent !== "" && { agent: task.agent }),
  };
}
