import type { AgentEvent } from "../model/index.ts";
import { failureOf, errorEvent, type EndEvent } from "./failure.ts";

type Step = IteratorResult<AgentEvent, undefined>;
const DONE: Step = { done: true, value: undefined };

export interface FunctionCallOptions {
  readonly capability: string;
  /** Runs the function; called once, at the first pull. */
  readonly call: () => unknown;
  /** Checks an item or the final value; throws when it does not fit. */
  readonly checkOutput: ((value: unknown) => void) | undefined;
}

/**
 * One call of a function as a stream of events. A generator's (or any async iterable's) values become `item` events,
 * pulled one by one; its return value is the final one. Written by hand because an async generator around each call
 * costs more than most functions.
 */
export class FunctionCall implements AsyncIterableIterator<AgentEvent, undefined> {
  readonly #options: FunctionCallOptions;
  #state: "new" | "streaming" | "ended" = "new";
  #items: Iterator<unknown> | AsyncIterator<unknown> | undefined;

  constructor(options: FunctionCallOptions) {
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    if (this.#state === "ended") return Promise.resolve(DONE);
    try {
      if (this.#state === "new") {
        const result = this.#options.call();
        return isThenable(result) ? this.#settle(result) : this.#begin(result);
      }
      const step = this.#items?.next();
      if (!step) return Promise.resolve(DONE);
      return isThenable(step) ? this.#settleItem(step) : Promise.resolve(this.#item(step));
    } catch (thrown) {
      return Promise.resolve(this.#failed(thrown));
    }
  }

  /** Runs the generator's `finally` blocks. */
  async return(): Promise<Step> {
    this.#state = "ended";
    await this.#items?.return?.();
    return DONE;
  }

  async #settle(result: PromiseLike<unknown>): Promise<Step> {
    try {
      return await this.#begin(await result);
    } catch (thrown) {
      return this.#failed(thrown);
    }
  }

  async #settleItem(step: PromiseLike<IteratorResult<unknown>>): Promise<Step> {
    try {
      return this.#item(await step);
    } catch (thrown) {
      return this.#failed(thrown);
    }
  }

  #begin(result: unknown): Promise<Step> {
    const items = iteratorOf(result);
    if (!items) {
      this.#options.checkOutput?.(result);
      return Promise.resolve(this.#final(result));
    }
    this.#items = items;
    this.#state = "streaming";
    return this.next();
  }

  #item(step: IteratorResult<unknown>): Step {
    if (step.done === true) return this.#final(step.value);
    try {
      this.#options.checkOutput?.(step.value);
    } catch (thrown) {
      void this.return().catch(() => undefined);
      throw thrown;
    }
    return { done: false, value: { type: "item", value: step.value } };
  }

  #final(value: unknown): Step {
    return this.#end(
      typeof value === "string"
        ? { type: "final", value, text: value, stop: "end" }
        : { type: "final", value, stop: "end" },
    );
  }

  #failed(thrown: unknown): Step {
    return this.#end(errorEvent(failureOf(thrown, this.#options.capability)));
  }

  #end(end: EndEvent): Step {
    this.#state = "ended";
    return { done: false, value: end };
  }
}

function isThenable<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** The iterator of a generator or async iterable; undefined for plain values: arrays and strings are values. */
function iteratorOf(value: unknown): Iterator<unknown> | AsyncIterator<unknown> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (isAsyncIterable(value)) return value[Symbol.asyncIterator]();
  return isGenerator(value) ? value : undefined;
}

function isAsyncIterable(value: object): value is AsyncIterable<unknown> {
  return Symbol.asyncIterator in value && typeof value[Symbol.asyncIterator] === "function";
}

function isGenerator(value: object): value is Iterator<unknown> {
  return Symbol.iterator in value && "next" in value && typeof value.next === "function";
}
