import type { Clock, Logger } from "../kernel/index.ts";
import type { AgentEvent, Budget, Capability, ChatMessage, JsonSchema, Priority, TaskInput } from "../model/index.ts";

/** One unit of work as an agent gets it: already admitted, its input already checked. */
export interface Task {
  readonly id: string;
  readonly capability: string;
  readonly input: TaskInput;
}

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

/**
 * Anything that can do work. `execute` yields events and exactly one `final` or `error`, also when it is aborted.
 * An agent never throws for a failed task: it yields `error`.
 */
export interface Agent {
  readonly name: string;
  readonly agentType: string;
  readonly description: string;
  /** What it can do now. */
  capabilities(): readonly Capability[];
  execute(task: Task, context: TaskContext): AsyncIterable<AgentEvent>;
  close?(): Promise<void>;
}
