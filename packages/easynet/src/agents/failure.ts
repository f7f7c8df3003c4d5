import { EasynetError, isEasynetError } from "../kernel/index.ts";
import type { AgentEvent } from "../model/index.ts";

/** Text of a foreign error that travels: enough for a sentence, not for a dump. In characters. */
const REASON_LENGTH_MAX = 2000;
const NAME_LENGTH_MAX = 120;

export type ErrorEvent = Extract<AgentEvent, { type: "error" }>;
export type FinalEvent = Extract<AgentEvent, { type: "final" }>;
export type EndEvent = ErrorEvent | FinalEvent;

export function errorEvent(error: EasynetError): ErrorEvent {
  const { code, message, retryable } = error;
  const details =
    error.retryAfterMs === undefined ? error.details : { ...error.details, retryAfterMs: error.retryAfterMs };
  return { type: "error", error: { code, message, retryable, details } };
}

export function isEnd(event: AgentEvent): event is EndEvent {
  return event.type === "final" || event.type === "error";
}

/** Whatever a function threw, as the error its caller gets: an EasynetError keeps its code. Never throws. */
export function failureOf(thrown: unknown, capability: string): EasynetError {
  if (isEasynetError(thrown)) return thrown;
  const { name, reason } = describeThrown(thrown);
  return new EasynetError("FUNCTION_FAILED", { capability, name, reason }, { cause: thrown });
}

/** The constructor's name and the message of a thrown value, both cut to size. Never throws. */
export function describeThrown(thrown: unknown): { readonly name: string; readonly reason: string } {
  try {
    if (thrown instanceof Error) {
      const name = thrown.constructor.name || thrown.name;
      return { name: name.slice(0, NAME_LENGTH_MAX), reason: thrown.message.slice(0, REASON_LENGTH_MAX) };
    }
    return { name: typeof thrown, reason: String(thrown).slice(0, REASON_LENGTH_MAX) };
  } catch {
    // A thrown value whose own getters or toString throw.
    return { name: "unknown", reason: "it threw a value that cannot be read" };
  }
}

/** The reason of an abort as an EasynetError; a foreign reason means that the caller cancelled. */
export function stopReason(signal: AbortSignal, subject: string): EasynetError {
  const reason: unknown = signal.reason;
  return isEasynetError(reason) ? reason : new EasynetError("CANCELLED", { subject }, { cause: reason });
}
