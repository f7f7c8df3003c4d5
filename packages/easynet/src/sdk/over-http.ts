import type { FoundOffer } from "../gateway/index.ts";
import { EasynetError, fromWireError } from "../kernel/index.ts";
import type { TaskReport } from "../messaging/index.ts";
import { reviveJson } from "../node/index.ts";
import { type FindQuery, formatQuery } from "../state/index.ts";

/** Where a running node of this machine answers. */
export interface LocalApi {
  readonly url: string;
  readonly token: string;
}

/** Asks the node what fits. @throws {EasynetError} NODE_NOT_RUNNING, TOKEN_INVALID, QUERY_INVALID */
export async function findOverHttp(api: LocalApi, query: FindQuery): Promise<readonly FoundOffer[]> {
  const search = new URLSearchParams({ q: formatQuery(query) });
  const answer = await getOverHttp(api, `/api/find?${search.toString()}`);
  if (hasOffers(answer)) return answer.offers;
  throw new EasynetError("INTERNAL", { reason: "the node sent no offers" });
}

/** Asks the node how a stored task is. @throws {EasynetError} NODE_NOT_RUNNING, TOKEN_INVALID, TASK_FORGOTTEN */
export async function taskOverHttp(api: LocalApi, id: string): Promise<TaskReport> {
  const answer = reviveJson(await getOverHttp(api, `/api/tasks/${encodeURIComponent(id)}`));
  if (isReport(answer)) return answer;
  throw new EasynetError("INTERNAL", { reason: "the node sent no task" });
}

async function getOverHttp(api: LocalApi, path: string): Promise<unknown> {
  return answerOf(await requestOverHttp(api, path));
}

interface HttpRequest {
  readonly method?: "POST" | "PUT" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it comes. */
  readonly body?: ReadableStream | string;
  readonly signal?: AbortSignal;
}

/** @throws {EasynetError} NODE_NOT_RUNNING, CANCELLED */
export async function requestOverHttp(
  { url, token }: LocalApi,
  path: string,
  request: HttpRequest = {},
): Promise<Response> {
  const headers = { ...request.headers, authorization: `Bearer ${token}` };
  return fetch(url + path, { ...request, headers, ...(request.body && { duplex: "half" }) }).catch((cause: unknown) => {
    if (request.signal?.aborted) throw new EasynetError("CANCELLED", { subject: path }, { cause });
    throw new EasynetError("NODE_NOT_RUNNING", { home: url }, { cause });
  });
}

/** What the node answered. @throws {EasynetError} when that is an error */
export async function answerOf(response: Response): Promise<unknown> {
  const answer: unknown = await response.json();
  if (response.ok) return answer;
  if (isProblem(answer)) throw fromWireError({ ...answer, message: answer.detail, details: answer.details ?? {} });
  throw new EasynetError("INTERNAL", { reason: `the node answered ${response.status}` });
}

function isReport(value: unknown): value is TaskReport {
  return typeof value === "object" && value !== null && "state" in value && "reached" in value;
}

function hasOffers(value: unknown): value is { readonly offers: readonly FoundOffer[] } {
  return typeof value === "object" && value !== null && "offers" in value && Array.isArray(value.offers);
}

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly retryable: boolean;
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "code" in value && "detail" in value && "retryable" in value;
}
