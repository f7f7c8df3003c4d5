import { type Clock, EasynetError, type Metrics, toEasynetError } from "../../kernel/index.ts";
import type { OutgoingMessage } from "../delivery/types.ts";
import { type Body, encodeBody } from "./body-codec.ts";
import type { KindRegistry } from "./kinds.ts";
import { ANSWER_LIFE_MS, MESSAGE_BYTES_MAX, STORED_ANSWER_BYTES_MAX } from "./limits.ts";
import type { Answer } from "./open-requests.ts";
import type { Received } from "./received.ts";

export interface AnsweringOptions {
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** An answer that is not what its kind says is a failure of whoever gave it. */
export function checkedAnswer(kinds: KindRegistry, kind: string, value: unknown): Answer {
  try {
    kinds.check(kind, value);
    return { value };
  } catch (thrown) {
    return { error: toEasynetError(thrown).toJSON() };
  }
}

/**
 * The message that answers a request. Answers travel above the requests of normal and low priority: a handler that asks
 * back waits for an answer, and that must not wait for the handler.
 */
export function answerMessage(received: Received, answer: Answer, options: AnsweringOptions): OutgoingMessage {
  const { kinds, clock, metrics } = options;
  const { durability } = received;
  const kind = kinds.get(received.kind)?.answer ?? "response";
  const checked = "value" in answer ? checkedAnswer(kinds, kind, answer.value) : answer;
  const outcome = "error" in checked ? checked.error.code : "answered";
  metrics.count("easynet_requests_answered_total", { kind: kinds.label(received.kind), outcome });
  metrics.count("easynet_messages_total", { direction: "sent", kind: kinds.label(kind) });
  const body: Body = "error" in checked ? { form: "failure", error: checked.error } : { form: "answer", ...checked };
  return {
    kind,
    payload: encodeAnswer(body, durability === "volatile" ? MESSAGE_BYTES_MAX : STORED_ANSWER_BYTES_MAX),
    correlationId: received.id,
    durability,
    priority: received.priority === "critical" ? "critical" : "high",
    expiresInMs: Math.max(ANSWER_LIFE_MS, received.expiresAtMs - clock.nowMs()),
    ...(received.to !== undefined && { from: received.to }),
    ...(received.from !== undefined && { to: received.from }),
  };
}

/** A value that has no form on the wire, or is too large, is the handler's mistake, and its asker hears of it. */
function encodeAnswer(body: Body, bytesMax: number): Uint8Array {
  try {
    const payload = encodeBody(body);
    if (payload.length <= bytesMax) return payload;
    throw new EasynetError("MESSAGE_TOO_LARGE", { bytes: payload.length, bytesMax });
  } catch (thrown) {
    return encodeBody({ form: "failure", error: toEasynetError(thrown).toJSON() });
  }
}
