import { EasynetError, isEasynetError, type WireError } from "../../kernel/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { TOPIC_LENGTH_MAX } from "./limits.ts";

/** What the payload of a delivery holds: how the message is meant, and its own payload (docs/protocol/message-bodies.md). */
export type Body =
  | { readonly form: "one-way" | "request"; readonly value: unknown }
  | { readonly form: "answer"; readonly value: unknown }
  | { readonly form: "failure"; readonly error: WireError }
  | { readonly form: "topic"; readonly topic: string; readonly value: unknown };

const FORMS = { "one-way": 0, request: 1, answer: 2, failure: 3, topic: 4 } as const;

/** @throws {EasynetError} INVALID_ARGUMENT, FRAME_TOO_DEEP for what has no form on the wire */
export function encodeBody(body: Body): Uint8Array {
  const form = FORMS[body.form];
  if (body.form === "failure") {
    const { code, message, retryable, details } = body.error;
    return encodeValue([form, [code, message, retryable, details]]);
  }
  if (body.form === "topic") return encodeValue([form, body.value, body.topic]);
  return encodeValue([form, body.value]);
}

/** @throws {EasynetError} PAYLOAD_INVALID */
export function decodeBody(kind: string, bytes: Uint8Array): Body {
  const fields = decoded(kind, bytes);
  if (!Array.isArray(fields)) throw invalid(kind, "it is no list");
  const [form, value, topic]: unknown[] = fields;
  switch (form) {
    case FORMS["one-way"]:
      return { form: "one-way", value };
    case FORMS.request:
      return { form: "request", value };
    case FORMS.answer:
      return { form: "answer", value };
    case FORMS.failure:
      return { form: "failure", error: wireErrorOf(kind, value) };
    case FORMS.topic:
      if (!isTopic(topic)) throw invalid(kind, "its topic");
      return { form: "topic", value, topic };
    default:
      throw invalid(kind, "its form is unknown");
  }
}

/** Where a body is that is too large to travel in a message: an artifact of these bytes. */
export interface BodyReference {
  readonly cid: string;
  readonly bytes: number;
}

/** Added to the form of a body that is an artifact. */
const ELSEWHERE = 16;

/** What travels instead of `body`; tells its form, so that its receiver knows whether it has to wait for it. */
export function encodeReference(body: Uint8Array, { cid, bytes }: BodyReference): Uint8Array {
  return encodeValue([ELSEWHERE + formOf(body), cid, bytes]);
}

/** Undefined for a body that is here. @throws {EasynetError} PAYLOAD_INVALID */
export function decodeReference(kind: string, bytes: Uint8Array): BodyReference | undefined {
  if (!isReference(bytes)) return undefined;
  const fields = decoded(kind, bytes);
  const [, cid, size]: readonly unknown[] = Array.isArray(fields) ? fields : [];
  if (typeof cid !== "string" || typeof size !== "number" || !(size > 0)) throw invalid(kind, "its reference");
  return { cid, bytes: size };
}

export function isReference(body: Uint8Array): boolean {
  const form = body[1] ?? 0;
  return form >= ELSEWHERE && form < ELSEWHERE + Object.keys(FORMS).length;
}

/** Whether a body waits for those before it; requests and answers do not. Of bytes that {@link encodeBody} made. */
export function isInTurn(body: Uint8Array): boolean {
  const form = formOf(body);
  return form === FORMS["one-way"] || form === FORMS.topic;
}

/** Whether it settles a request of this node. */
export function isAnswer(body: Uint8Array): boolean {
  const form = formOf(body);
  return form === FORMS.answer || form === FORMS.failure;
}

export function isRequest(body: Uint8Array): boolean {
  return formOf(body) === FORMS.request;
}

function formOf(body: Uint8Array): number {
  return (body[1] ?? 0) % ELSEWHERE;
}

export function isTopic(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= TOPIC_LENGTH_MAX;
}

function decoded(kind: string, bytes: Uint8Array): unknown {
  try {
    return decodeValue(bytes);
  } catch (error) {
    if (!isEasynetError(error)) throw error;
    throw invalid(kind, "it does not decode");
  }
}

function wireErrorOf(kind: string, value: unknown): WireError {
  if (!Array.isArray(value)) throw invalid(kind, "its error");
  const [code, message, retryable, details]: unknown[] = value;
  if (typeof code !== "string" || typeof message !== "string") throw invalid(kind, "its error");
  return { code, message, retryable: retryable === true, details: isRecord(details) ? details : {} };
}

function isRecord(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null;
}

function invalid(kind: string, reason: string): EasynetError {
  return new EasynetError("PAYLOAD_INVALID", { kind, reason });
}
