import { EasynetError } from "../kernel/index.ts";
import type { AgentEvent, StopReason, TaskError, UsageBasis } from "../model/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";

/**
 * Events travel as arrays that start with a number, because MessagePack beats JSON only without field names.
 * Numbers are never reused; fields are only added at the end (docs/protocol/exchanges.md).
 */
const EVENT = { delta: 1, thought: 2, item: 3, tool: 4, ask: 5, artifact: 6, usage: 7, final: 8, error: 9 } as const;

/** Not an event of an agent: the provider's word that it stores the task (docs/protocol/exchanges.md). */
const ACCEPTED = 10;

const ERROR_DETAILS_COUNT_MAX = 32;

export function encodeEvent(event: AgentEvent): Uint8Array {
  return encodeValue(fieldsOf(event));
}

/** @param cursor number of the event before the first one that follows */
export function encodeAccepted(cursor: number): Uint8Array {
  return encodeValue([ACCEPTED, cursor]);
}

/** @returns undefined when it is an event. @throws {EasynetError} FRAME_MALFORMED */
export function decodeAccepted(bytes: Uint8Array): number | undefined {
  const fields = decodeValue(bytes);
  if (!Array.isArray(fields)) throw malformed("an event is not an array");
  const values: readonly unknown[] = fields;
  const [kind, cursor] = values;
  if (kind !== ACCEPTED) return undefined;
  if (typeof cursor === "number" && Number.isSafeInteger(cursor) && cursor >= 0) return cursor;
  throw malformed("the cursor of a stored task");
}

function fieldsOf(event: AgentEvent): readonly unknown[] {
  switch (event.type) {
    case "delta":
      return [EVENT.delta, event.text];
    case "thought":
      return [EVENT.thought, event.text];
    case "item":
      return [EVENT.item, event.value];
    case "tool":
      return [EVENT.tool, event.id, event.name, event.status, optional(event.input), optional(event.output)];
    case "ask":
      return [EVENT.ask, event.id, event.question, event.options];
    case "artifact":
      return [EVENT.artifact, event.name, event.mediaType, event.data];
    case "usage": {
      const { inputTokens = null, outputTokens = null, money = null, calls = null, basis } = event;
      return [EVENT.usage, inputTokens, outputTokens, money, calls, basis];
    }
    case "final":
      return [EVENT.final, event.value, event.text ?? null, event.stop];
    case "error":
      return errorFields(event.error);
    default:
      return assertNever(event);
  }
}

function errorFields({ code, message, retryable, details }: TaskError): readonly unknown[] {
  return [EVENT.error, code, message, retryable, details];
}

/** A handler in plain JavaScript can pass anything. */
function assertNever(event: never): never {
  throw new EasynetError("INVALID_ARGUMENT", { subject: "An event", reason: `its type is ${typeof event}, not known` });
}

/** Checks the shape by hand: a schema library would cost more than the rest of a small call. @throws {EasynetError} FRAME_MALFORMED */
export function decodeEvent(bytes: Uint8Array): AgentEvent {
  const fields = decodeValue(bytes);
  if (!Array.isArray(fields)) throw malformed("an event is not an array");
  const values: readonly unknown[] = fields;
  switch (values[0]) {
    case EVENT.delta:
      return { type: "delta", text: text(values[1]) };
    case EVENT.thought:
      return { type: "thought", text: text(values[1]) };
    case EVENT.item:
      return { type: "item", value: values[1] };
    case EVENT.tool:
      return toolFrom(values);
    case EVENT.ask:
      return { type: "ask", id: text(values[1]), question: text(values[2]), options: texts(values[3]) };
    case EVENT.artifact:
      return { type: "artifact", name: text(values[1]), mediaType: text(values[2]), data: data(values[3]) };
    case EVENT.usage:
      return usageFrom(values);
    case EVENT.final:
      return finalFrom(values);
    case EVENT.error:
      return { type: "error", error: errorFrom(values) };
    default:
      throw malformed("an event of an unknown type");
  }
}

/** A value that may be absent: a list of none or one. */
function optional(value: unknown): readonly unknown[] {
  return value === undefined ? [] : [value];
}

function first(values: readonly unknown[]): unknown {
  return values[0];
}

function toolFrom(values: readonly unknown[]): AgentEvent {
  const [, id, name, status, input, output] = values;
  if (status !== "started" && status !== "completed" && status !== "failed") throw malformed("a tool event's status");
  return {
    type: "tool",
    id: text(id),
    name: text(name),
    status,
    ...(Array.isArray(input) && input.length > 0 && { input: first(input) }),
    ...(Array.isArray(output) && output.length > 0 && { output: first(output) }),
  };
}

function usageFrom(values: readonly unknown[]): AgentEvent {
  const [, inputTokens, outputTokens, money, calls, basis] = values;
  if (!isUsageBasis(basis)) throw malformed("a usage event's basis");
  return {
    type: "usage",
    ...amount("inputTokens", inputTokens),
    ...amount("outputTokens", outputTokens),
    ...amount("money", money),
    ...amount("calls", calls),
    basis,
  };
}

function amount<Name extends string>(name: Name, value: unknown): Partial<Record<Name, number>> {
  if (value === null || value === undefined) return {};
  if (typeof value !== "number" || !(value >= 0) || value === Infinity) throw malformed(`a usage event's ${name}`);
  const field: Partial<Record<string, number>> = { [name]: value };
  return field;
}

function finalFrom(values: readonly unknown[]): AgentEvent {
  const [, value, textValue, stop] = values;
  if (!isStopReason(stop)) throw malformed("a final event's stop");
  if (textValue === null || textValue === undefined) return { type: "final", value, stop };
  return { type: "final", value, text: text(textValue), stop };
}

function errorFrom(values: readonly unknown[]): TaskError {
  const [, code, message, retryable, details] = values;
  if (typeof retryable !== "boolean") throw malformed("an error event's retryable");
  if (typeof details !== "object" || details === null) throw malformed("an error event's details");
  const entries = Object.entries(details);
  if (entries.length > ERROR_DETAILS_COUNT_MAX) throw malformed("an error event with too many details");
  const checked: Record<string, string | number | boolean> = {};
  for (const [name, value] of entries) {
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      throw malformed("an error event's details");
    }
    checked[name] = value;
  }
  return { code: text(code), message: text(message), retryable, details: checked };
}

function text(value: unknown): string {
  if (typeof value !== "string") throw malformed("a field of an event is not text");
  return value;
}

function texts(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw malformed("a field of an event is not a list");
  return value.map(text);
}

function data(value: unknown): Uint8Array | string {
  if (typeof value !== "string" && !(value instanceof Uint8Array)) throw malformed("an artifact's data");
  return value;
}

function isUsageBasis(value: unknown): value is UsageBasis {
  return value === "reported" || value === "price-table" || value === "measured" || value === "unknown";
}

function isStopReason(value: unknown): value is StopReason {
  switch (value) {
    case "end":
    case "max-tokens":
    case "max-turns":
    case "refusal":
    case "cancelled":
      return true;
    default:
      return false;
  }
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason });
}
