import type { FastifyReply, FastifyRequest } from "fastify";
import {
  describeError,
  EasynetError,
  httpStatusOf,
  isEasynetError,
  toEasynetError,
  type WireError,
} from "../kernel/index.ts";
import { BODY_BYTES_MAX } from "./limits.ts";

/** An error as RFC 9457 problem details; `code`, `retryable` and `details` are our members. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly retryable: boolean;
  readonly details: WireError["details"];
}

/** @param language of `detail`; titles and codes are for machines and stay English */
export function problemOf(error: EasynetError, language: "en" | "zh"): Problem {
  const title = error.code.toLowerCase().replaceAll("_", " ");
  return {
    type: `urn:easynet:error:${error.code}`,
    title: title.charAt(0).toUpperCase() + title.slice(1),
    status: httpStatusOf(error.code),
    code: error.code,
    detail: describeError(error.toJSON(), language),
    retryable: error.retryable,
    details: error.details,
  };
}

export async function sendProblem(request: FastifyRequest, reply: FastifyReply, error: EasynetError): Promise<void> {
  const problem = problemOf(error, languageOf(request.headers["accept-language"]));
  if (error.code === "TOKEN_INVALID") reply.header("www-authenticate", 'Bearer realm="easynet"');
  // Serialised here, because a route's response schema speaks of its results only.
  await reply.code(problem.status).type("application/problem+json").serializer(String).send(JSON.stringify(problem));
}

/** The first language of an Accept-Language header that we speak. */
export function languageOf(header: string | undefined): "en" | "zh" {
  for (const part of (header ?? "").toLowerCase().split(",")) {
    if (part.trim().startsWith("zh")) return "zh";
    if (part.trim().startsWith("en")) return "en";
  }
  return "en";
}

/** What a handler, Fastify or a parser threw, as an error of the table. */
export function apiError(thrown: unknown, request: FastifyRequest): EasynetError {
  if (isEasynetError(thrown)) return thrown;
  const { code, statusCode, message } = fastifyError(thrown);
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    const contentType = (request.headers["content-type"] ?? "a body without content type").slice(0, 100);
    return new EasynetError("CONTENT_TYPE_REFUSED", { contentType });
  }
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return new EasynetError("BODY_TOO_LARGE", { bytesMax: BODY_BYTES_MAX });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new EasynetError("INVALID_ARGUMENT", { subject: "The request", reason: message }, { cause: thrown });
  }
  return toEasynetError(thrown);
}

function fastifyError(thrown: unknown): { code?: unknown; statusCode?: number; message: string } {
  if (!(thrown instanceof Error)) return { message: "it could not be read" };
  return {
    ...("code" in thrown && { code: thrown.code }),
    ...("statusCode" in thrown && typeof thrown.statusCode === "number" && { statusCode: thrown.statusCode }),
    message: thrown.message,
  };
}
