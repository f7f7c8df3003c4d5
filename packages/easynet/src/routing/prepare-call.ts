import type { ExecuteRequest } from "../agents/index.ts";
import { createId, EasynetError } from "../kernel/index.ts";
import type { ExchangeRequest } from "../messaging/index.ts";
import type { Priority } from "../model/index.ts";
import type { FindQuery, Offer } from "../state/index.ts";
import type { CallRequest } from "./types.ts";

const TIMEOUT_MS_DEFAULT = 60_000;
/** One day: longer work belongs into a workflow that survives this process. */
const TIMEOUT_MS_MAX = 86_400_000;
/** Delegations under one call; deeper ones are loops in practice. */
const DEPTH_MAX = 16;
const HOPS_DEFAULT = 3;

/** A checked call with everything that is the same for every attempt. */
export interface PreparedCall {
  readonly request: CallRequest;
  readonly taskId: string;
  readonly timeoutMs: number;
  readonly deadlineAtMs: number;
  readonly trace: string;
  readonly query: FindQuery;
}

/** @throws {EasynetError} INVALID_ARGUMENT for a timeout or depth out of range */
export function prepareCall(request: CallRequest, nowMs: number): PreparedCall {
  const timeoutMs = request.timeoutMs ?? TIMEOUT_MS_DEFAULT;
  if (!(timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX)) {
    throw new EasynetError("INVALID_ARGUMENT", {
      subject: "timeoutMs",
      reason: `it must be over 0 and at most ${TIMEOUT_MS_MAX}`,
    });
  }
  if ((request.depth ?? 0) > DEPTH_MAX) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "depth", reason: `more than ${DEPTH_MAX} delegations` });
  }
  const taskId = request.id ?? createId(nowMs);
  return {
    request,
    taskId,
    timeoutMs,
    deadlineAtMs: nowMs + timeoutMs,
    trace: request.trace ?? traceparentFor(taskId),
    query: { capability: request.capability, ...(request.target !== undefined && { agent: request.target }) },
  };
}

/** W3C Trace Context level 1: version 00, the task id as trace id, its random half as first span, sampled. */
function traceparentFor(taskId: string): string {
  const hex = taskId.replaceAll("-", "");
  return /^[0-9a-f]{32}$/.test(hex) ? `00-${hex}-${hex.slice(16)}-01` : "";
}

const LANE_OF: Record<Priority, "high" | "normal"> = {
  critical: "high",
  high: "high",
  normal: "normal",
  low: "normal",
};

/** Whom a call goes to: a provider's node and agent. */
export interface Provider {
  readonly node: string;
  /** did of the agent. */
  readonly agent: string;
}

export interface Origin {
  readonly from: string;
  readonly epoch: number;
  readonly nowMs: number;
}

/** The call as it travels to a provider. */
export function toExchangeRequest(call: PreparedCall, provider: Provider, origin: Origin): ExchangeRequest {
  const { request } = call;
  const priority = request.priority ?? "normal";
  const extras = {
    ...(request.conversationHistory?.length && { history: request.conversationHistory }),
    ...(request.outputSchema && { outputSchema: request.outputSchema }),
  };
  return {
    envelope: {
      id: call.taskId,
      from: origin.from,
      to: provider.node,
      kind: "task",
      ...(call.trace !== "" && { trace: call.trace }),
      ...(request.cause !== undefined && { cause: request.cause }),
      ...(request.session !== undefined && { session: request.session }),
      createdAtMs: origin.nowMs,
      deadlineAtMs: call.deadlineAtMs,
      priority,
      hopsLeft: HOPS_DEFAULT,
      depth: request.depth ?? 0,
      ...(request.budget && { budget: request.budget }),
      lane: LANE_OF[priority],
      sequence: 0,
      epoch: origin.epoch,
    },
    agent: provider.agent,
    capability: request.capability,
    input: request.input,
    ...(Object.keys(extras).length > 0 && { extras }),
  };
}

/** The call as this node's own agents take it. */
export function toLocalRequest(
  call: PreparedCall,
  offer: Offer,
  caller: { readonly from: string; readonly signal: AbortSignal | undefined },
): ExecuteRequest {
  const { request } = call;
  return {
    taskId: call.taskId,
    agentDid: offer.card.id,
    capability: request.capability,
    input: request.input,
    from: caller.from,
    priority: request.priority ?? "normal",
    deadlineAtMs: call.deadlineAtMs,
    budget: request.budget ?? {},
    history: request.conversationHistory ?? [],
    outputSchema: request.outputSchema,
    signal: caller.signal,
  };
}
