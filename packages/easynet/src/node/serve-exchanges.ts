import type { AgentHost, ExecuteRequest } from "../agents/index.ts";
import { EasynetError, type Metrics } from "../kernel/index.ts";
import {
  encodeState,
  type ExchangeRequest,
  type Exchanges,
  type IncomingExchange,
  TASK_STATE_KIND,
  type TaskRunner,
  type TaskServer,
} from "../messaging/index.ts";
import { checkSchema } from "../model/index.ts";
import type { AgentEvent, ChatMessage } from "../model/index.ts";
import { z } from "zod";

const extrasSchema = z.object({
  history: z
    .array(z.object({ role: z.enum(["system", "user", "agent"]), text: z.string() }))
    .max(10_000)
    .optional(),
  outputSchema: z.record(z.string(), z.unknown()).optional(),
});

export interface ServeOptions {
  readonly exchanges: Exchanges;
  readonly execute: (request: ExecuteRequest) => AsyncIterable<AgentEvent>;
  readonly tasks: TaskServer;
  readonly metrics: Metrics;
}

export interface RunnerOptions extends Pick<ServeOptions, "execute"> {
  readonly host: Pick<AgentHost, "admit">;
}

/** What runs the tasks that this node stores: its agents. */
export function taskRunner({ host, execute }: RunnerOptions): TaskRunner {
  return {
    admit: ({ agent, capability }) => {
      const { idempotent: repeatable, durability } = host.admit({ agentDid: agent, capability });
      return { repeatable, durability };
    },
    run: (request, by) => execute(toExecuteRequest(request, by)),
  };
}

/** Answers what other members ask of this node's agents: tasks. */
export function serveExchanges(options: ServeOptions): void {
  const { exchanges, execute, tasks, metrics } = options;
  exchanges.serve(async (exchange) => {
    const { request, from, signal } = exchange;
    const { envelope } = request;
    if (envelope.kind === "task" && request.task) return serveStored(exchange, tasks);
    if (envelope.kind === "task") {
      for await (const event of execute(toExecuteRequest(request, { from, signal }))) await exchange.send(event);
      return;
    }
    if (envelope.kind === TASK_STATE_KIND) {
      return exchange.send({ type: "final", value: encodeState(tasks.find(from, envelope.id)), stop: "end" });
    }
    metrics.count("easynet_exchanges_refused_total", { reason: "unknown-kind" });
    throw new EasynetError("INVALID_ARGUMENT", { subject: "The exchange", reason: "this node does not know its kind" });
  });
}

/** Refusals are thrown, and so told apart from the outcome of the task. */
async function serveStored(exchange: IncomingExchange, tasks: TaskServer): Promise<void> {
  const { from, request, signal } = exchange;
  const onAccepted = (cursor: number): void => exchange.accept(cursor);
  for await (const event of tasks.attach(from, request, { onAccepted, signal })) await exchange.send(event);
}

/** @throws {EasynetError} INVALID_ARGUMENT when the extras do not fit */
function toExecuteRequest(
  { envelope, agent, capability, input, extras }: ExchangeRequest,
  { from, signal }: Parameters<TaskRunner["run"]>[1],
): ExecuteRequest {
  const parsed = extras ? checkSchema(extrasSchema, extras) : undefined;
  if (parsed && !parsed.success) {
    throw new EasynetError("INVALID_ARGUMENT", {
      subject: "The task's extras",
      reason: parsed.error.issues[0]?.message ?? "they do not fit",
    });
  }
  const history: readonly ChatMessage[] = parsed?.data.history ?? [];
  return {
    taskId: envelope.id,
    agentDid: agent,
    capability,
    input,
    from,
    priority: envelope.priority,
    deadlineAtMs: envelope.deadlineAtMs,
    budget: envelope.budget ?? {},
    history,
    outputSchema: parsed?.data.outputSchema,
    signal,
  };
}
