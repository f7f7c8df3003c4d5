import { type Agent, failureOf, type TaskContext } from "../agents/index.ts";
import { EasynetError, fromWireError, silentLogger, systemClock, toEasynetError } from "../kernel/index.ts";
import { LOCAL_LIMITS, type NodeMessage, type ProcessMessage } from "../node/index.ts";
import type { AgentEvent, TaskError } from "../model/index.ts";

type Invoke = Extract<NodeMessage, { type: "invoke" }>;

interface Running {
  readonly controller: AbortController;
  /** Items that may still be sent before the node gives more room. */
  credit: number;
  wake: (() => void) | undefined;
}

/** Runs in this process what the node asks of the agents that it offered. */
export class InvocationRunner {
  readonly #agents = new Map<string, Agent>();
  readonly #running = new Map<number, Running>();
  readonly #send: (message: ProcessMessage) => void;

  constructor(send: (message: ProcessMessage) => void) {
    this.#send = send;
  }

  /** The message that offers `agent`; from then on its invocations run here. */
  registration(agent: Agent, request: number): ProcessMessage {
    this.#agents.set(agent.name, agent);
    return {
      type: "register",
      request,
      agent: agent.name,
      description: agent.description,
      agentType: agent.agentType,
      handles: [...(agent.messageKinds?.() ?? [])],
      functions: agent.capabilities().map(({ createdAtMs: _created, updatedAtMs: _updated, ...rest }) => rest),
    };
  }

  remove(name: string): void {
    this.#agents.delete(name);
  }

  handle(message: Extract<NodeMessage, { type: "invoke" | "cancel" | "credit" }>): void {
    if (message.type === "invoke") return void this.#invoke(message);
    const running = this.#running.get(message.invocation);
    if (!running) return undefined;
    if (message.type === "cancel") return running.controller.abort(fromWireError(message.error));
    running.credit += message.count;
    running.wake?.();
    return undefined;
  }

  /** The node is gone: nobody waits for any of it. */
  abortAll(reason: EasynetError): void {
    for (const { controller, wake } of this.#running.values()) {
      controller.abort(reason);
      wake?.();
    }
  }

  async #invoke(message: Invoke): Promise<void> {
    const { invocation } = message;
    const running: Running = { controller: new AbortController(), credit: LOCAL_LIMITS.windowItems, wake: undefined };
    this.#running.set(invocation, running);
    try {
      for await (const event of this.#events(message, running.controller.signal)) {
        if (event.type === "final") return this.#send({ type: "result", invocation, value: event.value });
        if (event.type === "error") return this.#fail(invocation, event.error);
        if (event.type === "ask") continue;
        while (running.credit === 0 && !running.controller.signal.aborted) {
          await new Promise<void>((resolve) => {
            running.wake = resolve;
          });
        }
        running.credit--;
        if (event.type === "item") this.#send({ type: "item", invocation, value: event.value });
        else this.#send({ type: "progress", invocation, event });
      }
    } catch (thrown) {
      this.#fail(invocation, toEasynetError(thrown).toJSON());
    } finally {
      this.#running.delete(invocation);
    }
    return undefined;
  }

  #events(message: Invoke, signal: AbortSignal): AsyncIterable<AgentEvent> {
    const agent = this.#agents.get(message.agent);
    if (!agent) {
      throw new EasynetError("CAPABILITY_UNKNOWN", { agent: message.agent, capability: message.capability });
    }
    const context = contextOf(message, signal);
    if (message.message) return handleMessage(agent, message, context);
    const input = { args: message.args, kwargs: message.kwargs };
    return agent.execute({ id: context.taskId, capability: message.capability, input }, context);
  }

  #fail(invocation: number, error: TaskError): void {
    const { code, details } = error;
    if (code !== "FUNCTION_FAILED") {
      return this.#send({
        type: "failure",
        invocation,
        error: { name: "EasynetError", message: error.message, code, details: { ...details } },
      });
    }
    const [name, message] = [String(details["name"]), String(details["reason"])];
    return this.#send({ type: "failure", invocation, error: { name, message } });
  }
}

function contextOf({ context }: Invoke, signal: AbortSignal): TaskContext {
  return {
    taskId: context.taskId,
    from: context.from,
    priority: context.priority,
    signal,
    deadlineAtMs: context.deadlineAtMs,
    budget: context.budget,
    conversationHistory: context.conversationHistory ?? [],
    outputSchema: context.outputSchema,
    logger: silentLogger,
    clock: systemClock,
  };
}

/** A message from another agent; what the handler returns or throws is the end. */
async function* handleMessage(
  agent: Agent,
  invoke: Invoke,
  context: TaskContext,
): AsyncGenerator<AgentEvent, void, void> {
  const { capability: kind, args, message } = invoke;
  const handler = agent.messageHandler?.(kind);
  if (!handler || !message) throw new EasynetError("MESSAGE_UNKNOWN", { agent: agent.name, kind });
  const { id, receivedAtMs } = message;
  try {
    const value = await handler({ id, kind, from: context.from, payload: args[0], receivedAtMs }, context);
    yield { type: "final", value, stop: "end" };
  } catch (thrown) {
    yield { type: "error", error: failureOf(thrown, kind).toJSON() };
  }
}
