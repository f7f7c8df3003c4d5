import { EasynetError, toEasynetError } from "../kernel/index.ts";
import type { TaskInput } from "../model/index.ts";
import { decodeValue, encodeValue, type Envelope } from "../wire/index.ts";
import { decodeEnvelope, encodeEnvelope } from "./envelope-bytes.ts";
import type { ExchangeRequest } from "./types.ts";

const NAME_LENGTH_MAX = 120;

/** What an `exchange-open` frame says, with as much of the input as fits. */
export interface Opening {
  readonly envelope: Envelope;
  readonly agent: string | undefined;
  readonly capability: string;
  /** Time left until the deadline when it was sent: clocks of two machines differ, durations hardly. */
  readonly remainingMs: number | undefined;
  /** The encoded input, or its first part. */
  readonly payload: Uint8Array;
}

/** @throws {EasynetError} INPUT_INVALID when a value cannot be encoded */
export function encodePayload(request: ExchangeRequest): Uint8Array {
  const { args, kwargs } = request.input;
  try {
    return encodeValue(request.extras === undefined ? [args, kwargs] : [args, kwargs, request.extras]);
  } catch (error) {
    const reason = toEasynetError(error).message;
    throw new EasynetError("INPUT_INVALID", { capability: request.capability, reason }, { cause: error });
  }
}

export function encodeOpening(request: ExchangeRequest, remainingMs: number | null, payload: Uint8Array): Uint8Array {
  const { envelope, agent = null, capability } = request;
  return encodeValue([encodeEnvelope(envelope), agent, capability, remainingMs, payload]);
}

/** @param bytes kept: the result may refer to them. @throws {EasynetError} FRAME_MALFORMED and what the codec throws */
export function decodeOpening(bytes: Uint8Array): Opening {
  const fields = decodeValue(bytes);
  if (!Array.isArray(fields)) throw malformed("an opening is not an array");
  const values: readonly unknown[] = fields;
  const [envelope, agent, capability, remainingMs, payload] = values;
  if (!(envelope instanceof Uint8Array) || !(payload instanceof Uint8Array)) throw malformed("an opening's bytes");
  if (agent !== null && !isName(agent)) throw malformed("an opening's agent");
  if (!isName(capability)) throw malformed("an opening's capability");
  if (remainingMs !== null && (typeof remainingMs !== "number" || !Number.isFinite(remainingMs))) {
    throw malformed("an opening's remaining time");
  }
  return {
    envelope: decodeEnvelope(envelope),
    agent: agent ?? undefined,
    capability,
    remainingMs: remainingMs ?? undefined,
    payload,
  };
}

/** The request as the provider sees it. @throws {EasynetError} FRAME_MALFORMED and what the codec throws */
export function decodeRequest(opening: Opening, payload: Uint8Array, nowMs: number): ExchangeRequest {
  const { envelope, agent, capability, remainingMs } = opening;
  const fields = decodeValue(payload);
  if (!Array.isArray(fields)) throw malformed("an input is not an array");
  const values: readonly unknown[] = fields;
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
