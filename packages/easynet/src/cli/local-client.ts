import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { pipeline } from "node:stream/promises";
import { EasynetError, fromWireError } from "../kernel/index.ts";
import { readRunFile, readToken, type RunningNodeFile } from "./run-file.ts";

/** A request that has not begun to be answered by then fails: the node hangs. Calls and streams are exempt. */
const ANSWER_TIMEOUT_MS = 10_000;

export interface ServerSentEvent {
  readonly type: string;
  readonly data: unknown;
}

export interface StreamRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** JSON text. */
  readonly body?: string;
  /** Hangs up; the node then cancels what it did for this request. */
  readonly signal: AbortSignal;
}

/** The local API of a running node, over node:http and nothing else: this is on the start path of every command. */
export class LocalClient {
  readonly run: RunningNodeFile;
  readonly home: string;
  readonly #token: string;

  private constructor(home: string, run: RunningNodeFile) {
    this.home = home;
    this.run = run;
    this.#token = readToken(home);
  }

  /** @throws {EasynetError} NODE_NOT_RUNNING, TOKEN_INVALID */
  static open(home: string): LocalClient {
    const run = readRunFile(home);
    if (!run) throw new EasynetError("NODE_NOT_RUNNING", { home });
    return new LocalClient(home, run);
  }

  get token(): string {
    return this.#token;
  }

  /** @throws {EasynetError} NODE_NOT_RUNNING, or what the node answered */
  async get(path: string, options: { readonly timeoutMs?: number } = {}): Promise<unknown> {
    return this.#ask({ method: "GET", path, ...options });
  }

  /** @throws {EasynetError} NODE_NOT_RUNNING, or what the node answered */
  async post(path: string, body?: unknown, options: { readonly timeoutMs?: number } = {}): Promise<unknown> {
    return this.#ask({ method: "POST", path, ...options, ...(body !== undefined && { body: JSON.stringify(body) }) });
  }

  /** @throws {EasynetError} NODE_NOT_RUNNING, or what the node answered */
  async put(path: string, body: unknown): Promise<unknown> {
    return this.#ask({ method: "PUT", path, body: JSON.stringify(body) });
  }

  /** @throws {EasynetError} NODE_NOT_RUNNING, or what the node answered */
  async delete(path: string): Promise<unknown> {
    return this.#ask({ method: "DELETE", path });
  }

  /** Sends bytes as the body of a POST, as fast as the node takes them. @throws {EasynetError} as `post` */
  async upload({ path, source, signal }: Upload): Promise<unknown> {
    const answer = await this.#send({ method: "POST", path, source, accept: "application/json", signal });
    if ((answer.statusCode ?? 500) >= 300) throw await errorFrom(answer, this.home);
    return JSON.parse(await readAll(answer));
  }

  /** The bytes of an answer as they come. @throws {EasynetError} as `get`; LINK_CLOSED when it ends before its end */
  async download({ path, signal }: Omit<Upload, "source">): Promise<Download> {
    const answer = await this.#send({ method: "GET", path, accept: "application/octet-stream", signal });
    if ((answer.statusCode ?? 500) >= 300) throw await errorFrom(answer, this.home);
    const peer = this.run.name || this.run.apiUrl;
    return { bytes: Number(answer.headers["content-length"] ?? 0), body: wholeBody(answer, { path, peer, signal }) };
  }

  /**
   * The events of a stream until it ends or `signal` aborts.
   * @throws {EasynetError} NODE_NOT_RUNNING, or what the node answered instead of a stream
   */
  async *stream(options: StreamRequest): AsyncGenerator<ServerSentEvent, void, void> {
    const { signal, ...outgoing } = options;
    const answer = await this.#send({ ...outgoing, accept: "text/event-stream", signal });
    if (!(answer.headers["content-type"] ?? "").startsWith("text/event-stream")) {
      throw await errorFrom(answer, this.home);
    }
    try {
      yield* parseEvents(answer);
    } catch (cause) {
      if (signal.aborted) return;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EasynetError("LINK_CLOSED", { peer: this.run.name || this.run.apiUrl, reason }, { cause });
    }
  }

  async #ask(options: Omit<Outgoing, "accept">): Promise<unknown> {
    const answer = await this.#send({ timeoutMs: ANSWER_TIMEOUT_MS, ...options, accept: "application/json" });
    if ((answer.statusCode ?? 500) >= 300) throw await errorFrom(answer, this.home);
    return JSON.parse(await readAll(answer));
  }

  async #send(options: Outgoing): Promise<IncomingMessage> {
    const { method, path, body, source, accept, signal, timeoutMs } = options;
    return new Promise((resolve, reject) => {
      const headers = {
        accept,
        authorization: `Bearer ${this.#token}`,
        ...(source && { "content-type": "application/octet-stream" }),
        ...(body !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      };
      const outgoing: ClientRequest = request(
        this.run.apiUrl + path,
        { method, headers, agent: false, ...(signal && { signal }), ...(timeoutMs && { timeout: timeoutMs }) },
        resolve,
      );
      outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      outgoing.on("error", (cause) => {
        if (signal?.aborted) reject(new EasynetError("CANCELLED", { subject: path }, { cause }));
        else reject(unreachable(cause, this.home, this.run));
      });
      if (source) pipeline(source, outgoing).catch(() => outgoing.destroy());
      else outgoing.end(body);
    });
  }
}

interface Upload {
  readonly path: string;
  readonly source: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

interface Download {
  readonly bytes: number;
  readonly body: AsyncIterable<Uint8Array>;
}

async function* wholeBody(
  answer: IncomingMessage,
  { path, peer, signal }: { readonly path: string; readonly peer: string; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const chunk of answer) yield Buffer.from(chunk);
  } catch (cause) {
    if (signal.aborted) throw new EasynetError("CANCELLED", { subject: path }, { cause });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EasynetError("LINK_CLOSED", { peer, reason }, { cause });
  }
}

interface Outgoing {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: string;
  readonly source?: AsyncIterable<Uint8Array>;
  readonly accept: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** Nobody listens: the node is gone. Anything else is a node that does not answer. */
function unreachable(cause: Error, home: string, run: RunningNodeFile): EasynetError {
  if ("code" in cause && cause.code === "ECONNREFUSED")
    return new EasynetError("NODE_NOT_RUNNING", { home }, { cause });
  return new EasynetError("PEER_UNREACHABLE", { peer: run.apiUrl, reason: cause.message }, { cause });
}

async function errorFrom(answer: IncomingMessage, home: string): Promise<EasynetError> {
  const text = await readAll(answer);
  const problem = parseObject(text);
  const { code, detail, retryable, details } = problem ?? {};
  if (typeof code !== "string" || typeof detail !== "string") {
    const reason = `the node in ${home} answered ${answer.statusCode}`;
    return new EasynetError("INTERNAL", { reason });
  }
  const known = isDetails(details) ? details : {};
  return fromWireError({ code, message: detail, retryable: retryable === true, details: known });
}

function isDetails(value: unknown): value is Readonly<Record<string, string | number | boolean>> {
  return typeof value === "object" && value !== null;
}

function parseObject(text: string): { readonly [key: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

async function readAll(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

/** Server-sent events of our own node: one `event` and one `data` line each, comments between them. */
async function* parseEvents(answer: IncomingMessage): AsyncGenerator<ServerSentEvent, void, void> {
  answer.setEncoding("utf8");
  let rest = "";
  for await (const chunk of answer) {
    const blocks = (rest + String(chunk)).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const match = /^event: (.*)\ndata: (.*)$/.exec(block);
      if (match) yield { type: match[1] ?? "", data: JSON.parse(match[2] ?? "null") };
    }
  }
}
