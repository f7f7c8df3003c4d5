import { EasynetError, toEasynetError } from "../kernel/index.ts";
import type { TaskInput } from "../model/index.ts";
import { decodeValue, encodeValue, type Envelope, envelopeFromArray, envelopeToArray } from "../wire/index.ts";
import { PART_BYTES, WHOLE_BYTES_MAX } from "./limits.ts";
import type { ExchangeRequest, TaskOpening } from "./types.ts";

const NAME_LENGTH_MAX = 120;

/** What an `exchange-open` frame says, with as much of the input as fits. */
export interface Opening {
  readonly envelope: Envelope;
  readonly agent: string | undefined;
  readonly capability: string;
  /** Time left until the deadline when it was sent: clocks of two machines differ, durations hardly. */
  readonly remainingMs: number | undefined;
  /** The whole input as an array, or the bytes of the first part of a large one. */
  readonly payload: unknown;
  readonly task: TaskOpening | undefined;
}

/** A request as bytes: one body for a small one, or a body and what is left of the input. */
export interface EncodedRequest {
  readonly body: Uint8Array;
  /** The whole encoded input, when it is too large for one frame; its first PART_BYTES are in `body`. */
  readonly payload: Uint8Array | undefined;
}

/** @throws {EasynetError} INPUT_INVALID when a value cannot be encoded; INPUT_TOO_LARGE */
export function encodeRequest(
  request: ExchangeRequest,
  remainingMs: number | null,
  inputBytesMax: number,
): EncodedRequest {
  const { envelope, agent = null, capability } = request;
  const head = [envelopeToArray(envelope), agent, capability, remainingMs];
  const fields = payloadFields(request);
  const tail = request.task ? [[request.task.start, request.task.cursor]] : [];
  let body: Uint8Array;
  try {
    body = encodeValue([...head, fields, ...tail]);
  } catch (error) {
    const reason = toEasynetError(error).message;
    throw new EasynetError("INPUT_INVALID", { capability, reason }, { cause: error });
  }
  if (body.length <= WHOLE_BYTES_MAX && body.length <= inputBytesMax) return { body, payload: undefined };
  const payload = encodeValue(fields);
  if (payload.length > inputBytesMax)
    throw new EasynetError("INPUT_TOO_LARGE", { capability, bytesMax: inputBytesMax });
  return { body: encodeValue([...head, payload.subarray(0, PART_BYTES), ...tail]), payload };
}

function payloadFields({ input, extras }: ExchangeRequest): readonly unknown[] {
  return extras === undefined ? [input.args, input.kwargs] : [input.args, input.kwargs, extras];
}

/** @throws {EasynetError} FRAME_MALFORMED, FRAME_TOO_DEEP */
export function decodeOpening(bytes: Uint8Array): Opening {
  const fields = decodeValue(bytes);
  if (!Array.isArray(fields)) throw malformed("an opening is not an array");
  const values: readonly unknown[] = fields;
  const [envelope, agent, capability, remainingMs, payload, task] = values;
  if (agent !== null && !isName(agent)) throw malformed("an opening's agent");
  if (!isName(capability)) throw malformed("an opening's capability");
  if (remainingMs !== null && (typeof remainingMs !== "number" || !Number.isFinite(remainingMs))) {
    throw malformed("an opening's remaining time");
  }
  return {
    envelope: envelopeFromArray(envelope),
    agent: agent ?? undefined,
    capability,
    remainingMs: remainingMs ?? undefined,
    payload,
    task: taskFrom(task),
  };
}

function taskFrom(value: unknown): TaskOpening | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw malformed("an opening's task");
  const fields: readonly unknown[] = value;
  const [start, cursor] = fields;
  if (typeof start !== "boolean" || typeof cursor !== "number" || !Number.isSafeInteger(cursor) || cursor < 0) {
    throw malformed("an opening's task");
  }
  return { start, cursor };
}

/**
 * The request as the provider sees it. @param payload the decoded input
 * @throws {EasynetError} FRAME_MALFORMED
 */
export function requestFrom(opening: Opening, payload: unknown, nowMs: number): ExchangeRequest {
  const { envelope, agent, capability, remainingMs, task } = opening;
  if (!Array.isArray(payload)) throw malformed("an input is not an array");
  const values: readonly unknown[] = payload;
  const [args, kwargs, extras] = values;
  if (!Array.isArray(args)) throw malformed("an input's arguments");
  if (!isRecord(kwargs)) throw malformed("an input's named arguments");
  if (extras !== undefined && extras !== null && !isRecord(extras)) throw malformed("an input's extras");
  const input: TaskInput = { args, kwargs };
  return {
    // In this node's clock: what stands above compares it with its own wall clock.
    envelope: remainingMs === undefined ? envelope : { ...envelope, deadlineAtMs: nowMs + remainingMs },
    capability,
    input,
    ...(agent !== undefined && { agent }),
    ...(isRecord(extras) && { extras }),
    ...(task && { task }),
  };
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= NAME_LENGTH_MAX;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.getPrototypeOf(value) === Object.prototype
  );
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason });
}
