import type { Agent, MessageHandler, Task, TaskContext } from "../agents/index.ts";
import { EasynetError, fromWireError, isEasynetError, toEasynetError } from "../kernel/index.ts";
import { type AgentEvent, type Capability, capabilitySchema, capabilityWith } from "../model/index.ts";
import { type FunctionDeclaration, type InvocationContext, LOCAL_LIMITS, type NodeMessage } from "../node/index.ts";
import type { Invocation, Invocations } from "./invocations.ts";

export interface AttachedAgentOptions {
  readonly name: string;
  readonly agentType: string;
  readonly description: string;
  readonly functions: readonly FunctionDeclaration[];
  /** Kinds of messages that it takes. */
  readonly handles: readonly string[];
  readonly invocations: Invocations;
  /** @throws {EasynetError} when the message cannot be sent */
  readonly send: (message: NodeMessage) => void;
}

/** Functions of another process as an agent of this node. */
export class AttachedAgent implements Agent {
  readonly name: string;
  readonly agentType: string;
  readonly description: string;
  readonly #options: AttachedAgentOptions;
  #capabilities: readonly Capability[];
  #handles: ReadonlySet<string>;

  constructor(options: AttachedAgentOptions) {
    this.name = options.name;
    this.agentType = options.agentType;
    this.description = options.description;
    this.#options = options;
    this.#capabilities = options.functions.map(capabilityOf);
    this.#handles = new Set(options.handles);
  }

  capabilities(): readonly Capability[] {
    return this.#capabilities;
  }

  /** From now on offers these instead; what runs goes on. */
  replace(functions: readonly FunctionDeclaration[], handles: readonly string[]): void {
    this.#capabilities = functions.map(capabilityOf);
    this.#handles = new Set(handles);
  }

  messageHandler(kind: string): MessageHandler | undefined {
    if (!this.#handles.has(kind)) return undefined;
    return async (message, context) => {
      const task: Task = { id: message.id, capability: kind, input: { args: [message.payload], kwargs: {} } };
      const { id, receivedAtMs } = message;
      for await (const event of this.#invoke(task, context, { id, receivedAtMs })) {
        if (event.type === "final") return event.value;
        if (event.type === "error") throw fromWireError(event.error);
      }
      throw new EasynetError("PROVIDER_LOST", { peer: this.name, capability: kind });
    };
  }

  async *execute(task: Task, context: TaskContext): AsyncGenerator<AgentEvent, void, void> {
    if (this.#capabilities.some(({ name }) => name === task.capability)) yield* this.#invoke(task, context);
    else yield errorEvent(new EasynetError("CAPABILITY_UNKNOWN", { agent: this.name, capability: task.capability }));
  }

  async *#invoke(
    task: Task,
    context: TaskContext,
    message?: Invoke["message"],
  ): AsyncGenerator<AgentEvent, void, void> {
    const { invocations, send } = this.#options;
    const { signal } = context;
    if (signal.aborted) {
      yield errorEvent(signal.reason);
      return;
    }
    const invocation = invocations.begin(task.capability);
    const abort = (): void => invocations.cancel(invocation, toEasynetError(signal.reason));
    signal.addEventListener("abort", abort, { once: true });
    try {
      send({ ...invokeMessage(this.name, invocation.id, { task, context }), ...(message && { message }) });
      yield* this.#events(invocation);
    } catch (error) {
      yield errorEvent(tooLarge(error, task.capability));
    } finally {
      signal.removeEventListener("abort", abort);
      invocations.cancel(invocation, new EasynetError("CANCELLED", { subject: task.capability }));
    }
  }

  /** Gives credit back in halves of the window, so that a stream costs one credit message per 32 items. */
  async *#events(invocation: Invocation): AsyncGenerator<AgentEvent, void, void> {
    const half = LOCAL_LIMITS.windowItems / 2;
    let consumedCount = 0;
    for await (const event of invocation.queue) {
      yield event;
      if (++consumedCount % half !== 0 || invocation.ended) continue;
      invocation.creditCount += half;
      this.#options.send({ type: "credit", invocation: invocation.id, count: half });
    }
  }
}

type Invoke = Extract<NodeMessage, { type: "invoke" }>;

function invokeMessage(agent: string, invocation: number, work: { task: Task; context: TaskContext }): Invoke {
  const { task, context } = work;
  const surroundings: InvocationContext = {
    taskId: context.taskId,
    from: context.from,
    priority: context.priority,
    budget: context.budget,
    ...(context.deadlineAtMs !== undefined && { deadlineAtMs: context.deadlineAtMs }),
    ...(context.conversationHistory.length > 0 && { conversationHistory: context.conversationHistory }),
    ...(context.outputSchema && { outputSchema: context.outputSchema }),
  };
  const { args, kwargs } = task.input;
  return { type: "invoke", invocation, agent, capability: task.capability, args, kwargs, context: surroundings };
}

/** A message that is too large is, for the caller, an input that is too large. */
function tooLarge(thrown: unknown, capability: string): unknown {
  if (!isEasynetError(thrown, "FRAME_TOO_LARGE")) return thrown;
  return new EasynetError("INPUT_TOO_LARGE", { capability, bytesMax: LOCAL_LIMITS.messageBytesMax });
}

function errorEvent(thrown: unknown): AgentEvent {
  return { type: "error", error: toEasynetError(thrown).toJSON() };
}

/** What a process leaves out is assumed at its worst: not repeatable, and with effects outside. */
const UNDECLARED = { sideEffects: "external", idempotent: false } as const;

function capabilityOf(declared: FunctionDeclaration): Capability {
  const given = Object.fromEntries(Object.entries(declared).filter(([, value]) => value !== undefined));
  // Whatever has effects is stored before it runs, unless the process says that it need not be.
  const durability = declared.sideEffects === "none" ? "volatile" : "disk";
  return capabilitySchema.parse(capabilityWith({ ...UNDECLARED, durability, ...given, name: declared.name }));
}
