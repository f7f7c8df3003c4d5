import type { Agent, Task, TaskContext } from "../agents/index.ts";
import { type Clock, silentLogger } from "../kernel/index.ts";
import { type AgentEvent, type Capability, capabilityWith } from "../model/index.ts";

/** A capability with every field a default; takes anything. */
export function fakeCapability(name: string, overrides: Partial<Capability> = {}): Capability {
  return capabilityWith({ name, ...overrides });
}

export interface FakeAgentOptions {
  /** @default "fake" */
  readonly name?: string;
  /** @default ["work"] */
  readonly capabilities?: readonly (string | Capability)[];
  /** What it says, well-behaved or not. @default a final value `undefined` at once */
  readonly script?: (task: Task, context: TaskContext) => AsyncIterable<AgentEvent> | Iterable<AgentEvent>;
}

/** An agent that says what a test tells it to, and remembers what it was asked. */
export class FakeAgent implements Agent {
  readonly name: string;
  readonly agentType = "fake";
  readonly description = "A test's agent";
  /** Tasks in the order of arrival. */
  readonly tasks: Task[] = [];
  readonly contexts: TaskContext[] = [];
  readonly #capabilities: readonly Capability[];
  readonly #script: NonNullable<FakeAgentOptions["script"]>;

  constructor(options: FakeAgentOptions = {}) {
    this.name = options.name ?? "fake";
    const capabilities = options.capabilities ?? ["work"];
    this.#capabilities = capabilities.map((each) => (typeof each === "string" ? fakeCapability(each) : each));
    this.#script = options.script ?? (() => [{ type: "final", value: undefined, stop: "end" }]);
  }

  capabilities(): readonly Capability[] {
    return this.#capabilities;
  }

  async *execute(task: Task, context: TaskContext): AsyncGenerator<AgentEvent, void, void> {
    this.tasks.push(task);
    this.contexts.push(context);
    yield* this.#script(task, context);
  }
}

/** The context of a task that nothing limits; override what a test is about. */
export function fakeTaskContext(clock: Clock, overrides: Partial<TaskContext> = {}): TaskContext {
  return {
    taskId: "task-1",
    from: "local",
    priority: "normal",
    signal: new AbortController().signal,
    deadlineAtMs: undefined,
    budget: {},
    conversationHistory: [],
    logger: silentLogger,
    clock,
    ...overrides,
  };
}
