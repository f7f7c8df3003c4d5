import type { ExecuteRequest } from "../agents/index.ts";
import { EasynetError, type Metrics } from "../kernel/index.ts";
import type { Exchanges, IncomingExchange } from "../messaging/index.ts";
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
  readonly metrics: Metrics;
}

/** Answers what other members ask of this node's agents: tasks. */
export function serveExchanges(options: ServeOptions): void {
  const { exchanges, execute, metrics } = options;
  exchanges.serve(async (exchange) => {
    const { envelope } = exchange.request;
    if (envelope.kind === "task") {
      for await (const event of execute(toExecuteRequest(exchange))) await exchange.send(event);
      return;
    }
    metrics.count("easynet_exchanges_refused_total", { reason: "unknown-kind" });
    throw new EasynetError("INVALID_ARGUMENT", { subject: "The exchange", reason: "this node does not know its kind" });
  });
}

/** @throws {EasynetError} INVALID_ARGUMENT when the extras do not fit */
function toExecuteRequest(exchange: IncomingExchange): ExecuteRequest {
  const { envelope, agent, capability, input, extras } = exchange.request;
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
    from: exchange.from,
    priority: envelope.priority,
    deadlineAtMs: envelope.deadlineAtMs,
    budget: envelope.budget ?? {},
    history,
    outputSchema: parsed?.data.outputSchema,
    signal: exchange.signal,
  };
}
