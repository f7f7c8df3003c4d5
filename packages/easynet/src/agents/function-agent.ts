import { type Clock, EasynetError, systemClock } from "../kernel/index.ts";
import type { AgentEvent, Capability } from "../model/index.ts";
import { ARGS_KEY, type CapabilityChecker, checkerOf } from "./capability-checker.ts";
import { FunctionCall } from "./function-call.ts";
import {
  describeFunction,
  type FunctionOptions,
  type SharedFunction,
  type WorkerFunction,
} from "./function-options.ts";
import type { Agent, BoundInput, MessageHandler, Task, TaskContext } from "./types.ts";
import { WorkerPool, workerTarget } from "./worker-pool.ts";

/** Capabilities of one agent: the limit of its card (model/agent-card.ts). */
const CAPABILITIES_COUNT_MAX = 1000;
const HANDLERS_COUNT_MAX = 1000;
const MESSAGE_KIND_LENGTH_MAX = 120;

export interface FunctionAgentOptions {
  readonly name: string;
  readonly description?: string;
  readonly version?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  /** Worker threads at most. @default the cores that this process may use */
  readonly threads?: number;
}

interface Entry {
  readonly capability: Capability;
  readonly checker: CapabilityChecker;
  readonly concurrency: number | undefined;
  readonly run: (bound: BoundInput, context: TaskContext) => unknown;
}

/** An agent made of plain functions: sync, async, generators and async generators. */
export class FunctionAgent implements Agent {
  readonly name: string;
  readonly agentType = "function";
  readonly description: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #clock: Clock;
  readonly #workers: WorkerPool;
  readonly #entries = new Map<string, Entry>();
  readonly #handlers = new Map<string, MessageHandler>();
  #capabilities: readonly Capability[] = [];

  constructor(options: FunctionAgentOptions) {
    this.name = options.name;
    this.description = options.description ?? "";
    this.version = options.version ?? "1.0.0";
    this.metadata = options.metadata ?? {};
    this.#clock = options.clock ?? systemClock;
    this.#workers = new WorkerPool({ threads: options.threads, clock: this.#clock });
  }

  /**
   * Offers a function under a name. What burns CPU is given as `{ module, export }` and runs in worker threads;
   * everything else shares the node's own loop.
   * @throws {EasynetError} CAPABILITY_EXISTS; INVALID_ARGUMENT for a bad name, schema or description
   */
  register(name: string, shared: SharedFunction | WorkerFunction, options: FunctionOptions = {}): Capability {
    if (this.#entries.has(name)) throw new EasynetError("CAPABILITY_EXISTS", { capability: name });
    if (this.#entries.size >= CAPABILITIES_COUNT_MAX) {
      const reason = `an agent holds at most ${CAPABILITIES_COUNT_MAX} capabilities`;
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The registration", reason });
    }
    const capability = describeFunction(name, shared, { ...options, nowMs: this.#clock.nowMs() });
    this.#entries.set(name, {
      capability,
      checker: checkerOf(capability),
      concurrency: options.concurrency ?? (typeof shared === "function" ? undefined : this.#workers.threads),
      run: this.#runner(shared, capability, options.withContext === true),
    });
    this.#capabilities = [...this.#capabilities, capability];
    return capability;
  }

  /** Takes a function back; calls that run go on. @throws {EasynetError} CAPABILITY_UNKNOWN */
  unregister(name: string): void {
    if (!this.#entries.delete(name)) {
      throw new EasynetError("CAPABILITY_UNKNOWN", { agent: this.name, capability: name });
    }
    this.#capabilities = this.#capabilities.filter((capability) => capability.name !== name);
  }

  /** Handles messages of one kind from other agents. @throws {EasynetError} INVALID_ARGUMENT */
  registerHandler(kind: string, handler: MessageHandler): void {
    if (kind.length === 0 || kind.length > MESSAGE_KIND_LENGTH_MAX || this.#handlers.has(kind)) {
      const reason = this.#handlers.has(kind) ? "it has a handler already" : "it is empty or too long";
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The message kind", reason });
    }
    if (this.#handlers.size >= HANDLERS_COUNT_MAX) {
      const reason = `an agent holds at most ${HANDLERS_COUNT_MAX} handlers`;
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The message kind", reason });
    }
    this.#handlers.set(kind, handler);
  }

  unregisterHandler(kind: string): void {
    this.#handlers.delete(kind);
  }

  messageHandler(kind: string): MessageHandler | undefined {
    return this.#handlers.get(kind);
  }

  messageKinds(): readonly string[] {
    return [...this.#handlers.keys()];
  }

  capabilities(): readonly Capability[] {
    return this.#capabilities;
  }

  concurrencyOf(capability: string): number | undefined {
    return this.#entries.get(capability)?.concurrency;
  }

  execute(task: Task, context: TaskContext): AsyncIterable<AgentEvent> {
    const entry = this.#entries.get(task.capability);
    return new FunctionCall({
      capability: task.capability,
      call: () => {
        if (!entry) {
          throw new EasynetError("CAPABILITY_UNKNOWN", { agent: this.name, capability: task.capability });
        }
        return entry.run(task.bound ?? entry.checker.bindInput(task.input), context);
      },
      checkOutput: task.bound ? undefined : (value) => entry?.checker.checkOutput(value),
    });
  }

  /** Ends the worker threads. */
  close(): Promise<void> {
    return this.#workers.close();
  }

  #runner(shared: SharedFunction | WorkerFunction, capability: Capability, withContext: boolean): Entry["run"] {
    const { name, parameters } = capability;
    if (typeof shared === "function") {
      return (bound, context) => {
        const args = positional(bound, parameters);
        if (withContext) args.push(context);
        return Reflect.apply(shared, undefined, args);
      };
    }
    const target = workerTarget(name, shared);
    return (bound, context) => {
      const args = positional(bound, parameters);
      return this.#workers.run({ capability: name, target, args, withContext }, context);
    };
  }
}

/** An agent made of plain functions; see {@link FunctionAgent.register}. */
export function functionAgent(options: FunctionAgentOptions): FunctionAgent {
  return new FunctionAgent(options);
}

function positional(bound: BoundInput, parameters: readonly string[] | undefined): unknown[] {
  if (parameters) return parameters.map((name) => bound[name]);
  const args = bound[ARGS_KEY];
  return Array.isArray(args) ? [...args] : [];
}
