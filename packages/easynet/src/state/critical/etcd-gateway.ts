import { z } from "zod";
import { EasynetError } from "../../kernel/index.ts";
import { parseJson, readAs } from "./etcd-values.ts";
import type { CallOptions } from "./types.ts";

/** gRPC status codes that etcd answers with. */
const GRPC_RESOURCE_EXHAUSTED = 8;
const GRPC_UNAVAILABLE = 14;
/** Longest that one request may take, ms; etcd itself gives up after 7 s. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Bytes of one line of a stream at most: etcd's largest event with room to spare. */
const LINE_BYTES_MAX = 8 * 1024 * 1024;

const errorSchema = z.object({
  message: z.string().optional(),
  error: z.string().optional(),
  code: z.number().optional(),
});

export interface EtcdOptions {
  /** Client URLs of the members, `http://127.0.0.1:2379`; the next one is asked when one cannot be reached. At least one. */
  readonly endpoints: readonly string[];
  /** Everything of ours is kept under it. @default "easynet/" */
  readonly prefix?: string;
}

/** Whether a request that got no answer may have changed something. */
export type Effect = "read" | "write";

interface EtcdRequest<Schema extends z.ZodType> {
  readonly path: string;
  readonly body: unknown;
  readonly schema: Schema;
  readonly effect: Effect;
}

/** etcd's JSON gateway (grpc-gateway, /v3): the API of its gRPC services over plain HTTP, so that no package is needed. */
export class EtcdGateway {
  readonly subject: string;
  readonly #endpoints: readonly string[];
  #current = 0;

  constructor({ endpoints }: EtcdOptions) {
    this.#endpoints = endpoints;
    this.subject = `etcd at ${endpoints.join(", ")}`;
  }

  /** @throws {EasynetError} NO_MAJORITY, OUTCOME_UNKNOWN, QUOTA_EXCEEDED, or the reason of `signal` */
  async ask<Schema extends z.ZodType>(
    { path, body, schema, effect }: EtcdRequest<Schema>,
    { signal }: CallOptions,
  ): Promise<z.output<Schema>> {
    const response = await this.#post(path, body, { effect, signal });
    const text = await response.text().catch((error: unknown) => this.#lost(error, effect));
    // A stream of answers gives the one to its only request in its first line.
    const answer = parseJson(text.split("\n", 1)[0] ?? "");
    if (!response.ok) throw this.#refused(answer, effect);
    return readAs(schema, answer);
  }

  /** The lines of a stream until it ends or breaks. @throws {EasynetError} NO_MAJORITY */
  async *stream(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<unknown, void> {
    const response = await this.#post(path, body, { effect: "read", signal, endless: true });
    if (!response.ok || !response.body) throw this.#refused(parseJson(await response.text()), "read");
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of response.body) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > LINE_BYTES_MAX) throw this.#unusable("it sends lines without end");
      for (const line of lines) yield parseJson(line);
    }
  }

  /** Asks the members in turn until one can be reached at all. */
  async #post(
    path: string,
    body: unknown,
    {
      effect,
      signal,
      endless = false,
    }: { readonly effect: Effect; readonly signal?: AbortSignal | undefined; readonly endless?: boolean },
  ): Promise<Response> {
    const limit = endless ? [] : [AbortSignal.timeout(REQUEST_TIMEOUT_MS)];
    const ends = AbortSignal.any([...(signal ? [signal] : []), ...limit]);
    for (let tries = 0; ; tries++) {
      const endpoint = this.#endpoints[this.#current % this.#endpoints.length] ?? "";
      try {
        return await fetch(`${endpoint}${path}`, { method: "POST", body: JSON.stringify(body), signal: ends });
      } catch (error) {
        signal?.throwIfAborted();
        if (!wasNeverSent(error) || tries + 1 >= this.#endpoints.length) return this.#lost(error, effect);
        this.#current += 1;
      }
    }
  }

  #lost(error: unknown, effect: Effect): never {
    if (effect === "read" || wasNeverSent(error)) throw this.#unusable("no member of it could be reached", error);
    throw new EasynetError(
      "OUTCOME_UNKNOWN",
      { subject: "The write", reason: "etcd did not answer" },
      { cause: error },
    );
  }

  #refused(answer: unknown, effect: Effect): EasynetError {
    const { message, error, code } = readAs(errorSchema, answer);
    const reason = message ?? error ?? "it gave no reason";
    if (code === GRPC_RESOURCE_EXHAUSTED)
      return new EasynetError("QUOTA_EXCEEDED", { group: this.subject, bytesMax: 0 });
    // "etcdserver: no leader" was refused; a write that timed out inside may still be carried out.
    if (effect === "read" || (code === GRPC_UNAVAILABLE && reason.includes("no leader"))) return this.#unusable(reason);
    return new EasynetError("OUTCOME_UNKNOWN", { subject: "The write", reason });
  }

  #unusable(reason: string, cause?: unknown): EasynetError {
    return new EasynetError("NO_MAJORITY", { group: this.subject, reason }, { cause });
  }
}

/** The connection was refused, so that nothing can have happened. */
function wasNeverSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && (cause.code === "ECONNREFUSED" || cause.code === "ENOTFOUND");
}
