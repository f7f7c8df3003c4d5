import type { Agent } from "../agents/index.ts";
import { EasynetError, isEasynetError, toEasynetError } from "../kernel/index.ts";
import type { AgentEvent, Capability } from "../model/index.ts";

/** A function of a fake node; `signal` aborts with the call. A generator's items become item events. */
export type FakeFunction = (args: readonly unknown[], call: FakeCall) => unknown;

export interface FakeCall {
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

/** The agent of a function, with no schema checked. */
export function functionAgent(offered: Capability, run: FakeFunction): Agent {
  const capabilities = [offered];
  return {
    name: offered.name,
    agentType: "function",
    description: offered.description,
    capabilities: () => capabilities,
    async *execute(task, context) {
      const { signal } = context;
      const stopped = Promise.withResolvers<never>();
      stopped.promise.catch(() => undefined);
      const stop = (): void => stopped.reject(toEasynetError(signal.reason));
      if (signal.aborted) stop();
      signal.addEventListener("abort", stop, { once: true });
      try {
        const { args, kwargs } = task.input;
        const outcome = await Promise.race([run(args, { kwargs, signal }), stopped.promise]);
        if (isAsyncIterable(outcome)) {
          for await (const value of outcome) {
            if (signal.aborted) throw toEasynetError(signal.reason);
            yield { type: "item", value };
          }
        }
        yield { type: "final", value: isAsyncIterable(outcome) ? undefined : outcome, stop: "end" };
      } catch (error) {
        yield errorEvent(isEasynetError(error) ? error : functionFailed(offered.name, error));
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
  };
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function functionFailed(name: string, thrown: unknown): EasynetError {
  const [kind, reason] = thrown instanceof Error ? [thrown.name, thrown.message] : ["Error", String(thrown)];
  return new EasynetError("FUNCTION_FAILED", { capability: name, name: kind, reason });
}

export function errorEvent(error: EasynetError): AgentEvent {
  return { type: "error", error: error.toJSON() };
}
