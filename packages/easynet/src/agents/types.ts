import type { Clock, Logger } from "../kernel/index.ts";
import type { AgentEvent, Budget, Capability, ChatMessage, JsonSchema, Priority, TaskInput } from "../model/index.ts";

/** One unit of work as an agent gets it. */
export interface Task {
  readonly id: string;
  readonly capability: string;
  readonly input: TaskInput;
  /**
   * The arguments by parameter name (`args` for functions without names). Set by a host, which then has checked them
   * against the capability's schema and checks the output too; a driver that gets a task without it checks itself.
   */
  readonly bound?: BoundInput | undefined;
}

/** Arguments by parameter name; the object that a capability's `inputSchema` describes. */
export type BoundInput = Readonly<Record<string, unknown>>;

/** What surrounds a task. Everything that may stop it arrives through `signal`. */
export interface TaskContext {
  readonly taskId: string;
  /** did:key of who asked, or `local`. */
  readonly from: string;
  readonly priority: Priority;
  /** Aborts on cancellation, deadline, exhausted budget, or the node's stop; `reason` is an EasynetError. */
  readonly signal: AbortSignal;
  /** Wall clock, Unix epoch ms; undefined without a deadline. */
  readonly deadlineAtMs: number | undefined;
  readonly budget: Budget;
  /** Earlier turns; they precede the prompt. */
  readonly conversationHistory: readonly ChatMessage[];
  readonly outputSchema?: JsonSchema | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A message from one agent to another; not a task: its answer is an acknowledgement, perhaps with a value. */
export interface AgentMessage {
  readonly id: string;
  readonly kind: string;
  /** did:key of the sender, or `local`. */
  readonly from: string;
  readonly payload: unknown;
  /** Wall clock of this node, Unix epoch ms. */
  readonly receivedAtMs: number;
}

/** Handles messages of one kind. What it returns (or resolves to) travels back as the acknowledgement. */
export type MessageHandler = (message: AgentMessage, context: TaskContext) => unknown;

/**
 * Anything that can do work. `execute` yields events and exactly one `final` or `error`, also when it is aborted.
 * An agent never throws for a failed task: it yields `error`. A host guards both rules (see one-end.ts).
 */
export interface Agent {
  readonly name: string;
  readonly agentType: string;
  readonly description: string;
  /** @default "1.0.0" */
  readonly version?: string;
  /** Short facts for the agent's card. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** What it can do now; the same array as long as nothing changed, because hosts index it by identity. */
  capabilities(): readonly Capability[];
  /** Tasks of one capability that may run at once; undefined = the host's default. */
  concurrencyOf?(capability: string): number | undefined;
  execute(task: Task, context: TaskContext): AsyncIterable<AgentEvent>;
  /** The handler for one kind of message; undefined = this agent does not take it. */
  messageHandler?(kind: string): MessageHandler | undefined;
  /** The kinds of messages that it takes now, for those who have to announce them. */
  messageKinds?(): readonly string[];
  close?(): Promise<void>;
}
