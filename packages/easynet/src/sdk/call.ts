import { EasynetError, fromWireError } from "../kernel/index.ts";
import type { AgentEvent } from "../model/index.ts";
import type { CallRequest, RoutedEvent } from "../routing/index.ts";

/** How a call is made; only `capability` and the arguments matter to most callers. */
export interface CallOptions extends Omit<CallRequest, "capability" | "input"> {
  /** Positional arguments. */
  readonly args?: readonly unknown[];
  /** Named arguments, bound to the function's parameters. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal | undefined;
}

/** What a call came to, with where and how. */
export interface CallResult<Value = unknown> {
  readonly taskId: string;
  readonly value: Value;
  /** Name of the node that answered. */
  readonly node: string;
  readonly agent: string;
  /** Providers asked, 1 when the first one answered. */
  readonly attempts: number;
  readonly durationMs: number;
  readonly usage: readonly Extract<AgentEvent, { type: "usage" }>[];
}

/** One call under way: iterate it for the items of a stream, or await `result()`. It can be read once. */
export class Call<Value = unknown> implements AsyncIterable<unknown> {
  readonly #events: AsyncIterable<RoutedEvent>;
  readonly #controller: AbortController;
  readonly #capability: string;

  constructor(capability: string, events: AsyncIterable<RoutedEvent>, controller: AbortController) {
    this.#capability = capability;
    this.#events = events;
    this.#controller = controller;
  }

  /** Everything that happens, as it happens: assignment, retries, deltas, items, usage, the end. */
  events(): AsyncIterable<RoutedEvent> {
    return this.#events;
  }

  /** The items of a stream. @throws {EasynetError} what ended the call */
  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, void> {
    for await (const event of this.#events) {
      if (event.type === "item") yield event.value;
      if (event.type === "delta") yield event.text;
      if (event.type === "error") throw callError(event);
    }
  }

  /**
   * The returned value; for a function that yields and returns nothing, the list of what it yielded.
   * @throws {EasynetError} what ended the call; FUNCTION_FAILED has the function's own error as `cause`
   */
  async result(): Promise<CallResult<Value>> {
    const startedAtMs = performance.now();
    const items: unknown[] = [];
    const usage: Extract<AgentEvent, { type: "usage" }>[] = [];
    let where = { taskId: "", node: "", agent: "", attempts: 0 };
    for await (const event of this.#events) {
      if (event.type === "assigned") {
        where = { taskId: event.taskId, node: event.nodeName, agent: event.agent, attempts: event.attempt };
      } else if (event.type === "item") items.push(event.value);
      else if (event.type === "usage") usage.push(event);
      else if (event.type === "error") throw callError(event);
      else if (event.type === "final") {
        const value: Value = finalValue(event.value, items);
        return { ...where, value, durationMs: performance.now() - startedAtMs, usage };
      }
    }
    throw new EasynetError("PROVIDER_LOST", { peer: where.node, capability: this.#capability });
  }

  /** Stops the work wherever it runs; the call ends with CANCELLED. */
  cancel(): void {
    this.#controller.abort(new EasynetError("CANCELLED", { subject: this.#capability }));
  }
}

function finalValue<Value>(value: unknown, items: readonly unknown[]): Value;
function finalValue(value: unknown, items: readonly unknown[]): unknown {
  return (value === undefined || value === null) && items.length > 0 ? items : value;
}

const ERROR_TYPES: Readonly<Record<string, ErrorConstructor>> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** The error as the caller's own: with the function's error, in its own type where the language has it, as cause. */
function callError(event: Extract<AgentEvent, { type: "error" }>): EasynetError {
  const error = fromWireError(event.error);
  if (error.code !== "FUNCTION_FAILED") return error;
  const { name, reason } = error.details;
  const Type = ERROR_TYPES[String(name)] ?? Error;
  const cause = new Type(String(reason));
  cause.name = String(name);
  return new EasynetError(
    "FUNCTION_FAILED",
    { ...error.details, capability: String(error.details["capability"]), name: String(name), reason: String(reason) },
    { cause },
  );
}
