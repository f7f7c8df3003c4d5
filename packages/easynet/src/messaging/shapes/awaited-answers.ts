import { type Did, isDid } from "../../identity/index.ts";
import {
  type Clock,
  EasynetError,
  fromWireError,
  type Logger,
  type Timer,
  toEasynetError,
  type WireError,
} from "../../kernel/index.ts";
import type { Store } from "../../storage/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import type { Transaction } from "../delivery/types.ts";
import { ANSWER_KEPT_MS, REQUESTS_WAITING_MAX, SWEEP_MS } from "./limits.ts";

const SPACE = "message-answers";

/** What became of a request. */
export type Outcome = { readonly value: unknown } | { readonly error: WireError };

interface Awaited {
  readonly peer: Did;
  readonly subject: string;
  readonly timeoutMs: number;
  /** Wall clock: it must hold after a restart too. */
  readonly deadlineAtMs: number;
  readonly durable: boolean;
  outcome?: Outcome;
  keptUntilMs: number;
  timer: Timer | undefined;
  readonly waiters: Set<(outcome: Outcome) => void>;
}

export interface OpenRequest {
  readonly peer: Did;
  readonly subject: string;
  readonly timeoutMs: number;
  readonly durable: boolean;
}

export interface AwaitedAnswersOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The requests of this node and their answers. Those of durable requests are rows, so that whoever asked can ask for the
 * answer again after a restart; an answer is kept for ten minutes. Only the node that was asked can answer.
 */
export class AwaitedAnswers {
  readonly #options: AwaitedAnswersOptions;
  readonly #awaited = new Map<string, Awaited>();
  #sweeper: Timer | undefined;

  constructor(options: AwaitedAnswersOptions) {
    this.#options = options;
  }

  /** Takes up the rows of an earlier process. */
  async load(): Promise<void> {
    const { store, clock } = this.#options;
    const nowMs = clock.nowMs();
    const over: string[] = [];
    for (const { key, value } of store.list(SPACE, { limit: REQUESTS_WAITING_MAX })) {
      const awaited = fromRow(value);
      if (!awaited || (awaited.outcome ? awaited.keptUntilMs : awaited.deadlineAtMs) <= nowMs) over.push(key);
      else this.#add(key, awaited);
    }
    await this.#deleteRows(over);
  }

  /** Whether this request was sent before. @throws {EasynetError} INVALID_ARGUMENT when it was to somebody else */
  has(id: string, peer: Did): boolean {
    const awaited = this.#awaited.get(id);
    if (awaited && awaited.peer !== peer) {
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The id", reason: "another request was sent under it" });
    }
    return awaited !== undefined;
  }

  /** A request that is about to leave. @throws {EasynetError} OVERLOADED */
  open(id: string, request: OpenRequest): void {
    if (this.#awaited.size >= REQUESTS_WAITING_MAX) this.#forgetOldestAnswer();
    if (this.#awaited.size >= REQUESTS_WAITING_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "The list of requests", queued: this.#awaited.size });
    }
    const deadlineAtMs = this.#options.clock.nowMs() + request.timeoutMs;
    const awaited: Awaited = { ...request, deadlineAtMs, keptUntilMs: Infinity, timer: undefined, waiters: new Set() };
    this.#add(id, awaited);
    if (!request.durable) return;
    const { store } = this.#options;
    // Not waited for: the commit shares its fsync with the request's own row, which comes after it.
    store.commit([{ kind: "put", space: SPACE, key: id, value: toRow(awaited) }]).catch((thrown: unknown) => {
      this.#end(id, awaited, { error: toEasynetError(thrown).toJSON() });
    });
  }

  /** A request that did not leave after all: whoever waits hears why. */
  fail(id: string, error: WireError): void {
    const awaited = this.#awaited.get(id);
    if (!awaited || awaited.outcome) return;
    this.#end(id, awaited, { error });
    // Not for long: sent again under its id, it is to be sent.
    awaited.keptUntilMs = this.#options.clock.nowMs();
  }

  /** A request that did not leave, of which nobody has heard. */
  drop(id: string): void {
    const awaited = this.#awaited.get(id);
    if (awaited) this.#forget(id, awaited);
  }

  /** @throws {EasynetError} ANSWER_UNKNOWN, CANCELLED, DEADLINE_EXCEEDED, or what the receiver's handler threw */
  async wait(id: string, signal?: AbortSignal): Promise<unknown> {
    const awaited = this.#awaited.get(id);
    if (!awaited) throw new EasynetError("ANSWER_UNKNOWN", { id: id.slice(0, 60) });
    const outcome = awaited.outcome ?? (await this.#next(awaited, signal));
    if (!awaited.durable) this.#forget(id, awaited);
    if ("value" in outcome) return outcome.value;
    throw fromWireError(outcome.error, { peer: awaited.peer });
  }

  /** What came as an answer. False: nobody asked this node for it, or it was answered before. */
  settle(answer: { readonly id: string; readonly sender: Did }, outcome: Outcome, transaction: Transaction): boolean {
    const awaited = this.#awaited.get(answer.id);
    if (!awaited || awaited.outcome || awaited.peer !== answer.sender) return false;
    awaited.keptUntilMs = this.#options.clock.nowMs() + ANSWER_KEPT_MS;
    if (awaited.durable) transaction.put(SPACE, answer.id, toRow({ ...awaited, outcome }));
    this.#end(answer.id, awaited, outcome);
    return true;
  }

  close(): void {
    this.#sweeper?.cancel();
    const error = new EasynetError("NODE_STOPPING", {}).toJSON();
    for (const awaited of this.#awaited.values()) {
      awaited.timer?.cancel();
      for (const waiter of awaited.waiters) waiter({ error });
    }
    this.#awaited.clear();
  }

  #add(id: string, awaited: Awaited): void {
    const { clock } = this.#options;
    this.#awaited.set(id, awaited);
    this.#sweeper ??= clock.setTimer(SWEEP_MS, () => this.#sweep());
    if (awaited.outcome) return;
    awaited.timer = clock.setTimer(Math.max(0, awaited.deadlineAtMs - clock.nowMs()), () => {
      const { subject, timeoutMs, waiters } = awaited;
      const isOver = waiters.size > 0 || awaited.durable;
      this.#end(id, awaited, { error: new EasynetError("DEADLINE_EXCEEDED", { subject, timeoutMs }).toJSON() });
      // Nobody waited: whoever asks for it within a moment still hears why there is none.
      awaited.keptUntilMs = clock.nowMs();
      if (isOver) this.#forget(id, awaited);
    });
  }

  #end(id: string, awaited: Awaited, outcome: Outcome): void {
    awaited.timer?.cancel();
    awaited.outcome = outcome;
    const answered = [...awaited.waiters];
    awaited.waiters.clear();
    for (const waiter of answered) waiter(outcome);
    if (answered.length > 0 && !awaited.durable) this.#awaited.delete(id);
  }

  async #next(awaited: Awaited, signal: AbortSignal | undefined): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const cancelled = (): void => {
        awaited.waiters.delete(settled);
        reject(new EasynetError("CANCELLED", { subject: awaited.subject }));
      };
      const settled = (outcome: Outcome): void => {
        signal?.removeEventListener("abort", cancelled);
        resolve(outcome);
      };
      awaited.waiters.add(settled);
      signal?.addEventListener("abort", cancelled, { once: true });
      if (signal?.aborted) cancelled();
    });
  }

  #sweep(): void {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    for (const [id, awaited] of this.#awaited) if (awaited.keptUntilMs <= nowMs) this.#forget(id, awaited);
    this.#sweeper?.cancel();
    this.#sweeper = this.#awaited.size > 0 ? clock.setTimer(SWEEP_MS, () => this.#sweep()) : undefined;
  }

  /** Answers are kept as long as there is room for them. */
  #forgetOldestAnswer(): void {
    for (const [id, awaited] of this.#awaited) {
      if (!awaited.outcome) continue;
      this.#forget(id, awaited);
      return;
    }
  }

  #forget(id: string, awaited: Awaited): void {
    awaited.timer?.cancel();
    if (this.#awaited.get(id) === awaited) this.#awaited.delete(id);
    if (awaited.durable) void this.#deleteRows([id]);
  }

  /** What is left after a failure is swept by the next start. */
  async #deleteRows(keys: readonly string[]): Promise<void> {
    const { store, logger } = this.#options;
    if (keys.length === 0) return;
    try {
      await store.commit(keys.map((key) => ({ kind: "delete", space: SPACE, key })));
    } catch (error) {
      logger.warn("answers that are over stay in the store", { count: keys.length, error });
    }
  }
}

function toRow(awaited: Awaited): Uint8Array {
  const { peer, subject, timeoutMs, deadlineAtMs, keptUntilMs, outcome } = awaited;
  const head = [peer, subject, timeoutMs, deadlineAtMs];
  if (!outcome) return encodeValue(head);
  if ("value" in outcome) return encodeValue([...head, keptUntilMs, true, outcome.value]);
  const { code, message, retryable, details } = outcome.error;
  return encodeValue([...head, keptUntilMs, false, [code, message, retryable, details]]);
}

/** A row of our own store; undefined for one that another version wrote. */
function fromRow(bytes: Uint8Array): Awaited | undefined {
  const fields = decodeValue(bytes);
  if (!Array.isArray(fields)) return undefined;
  const [peer, subject, timeoutMs, deadlineAtMs, keptUntilMs, succeeded, value]: unknown[] = fields;
  if (typeof peer !== "string" || !isDid(peer) || typeof subject !== "string") return undefined;
  if (typeof timeoutMs !== "number" || typeof deadlineAtMs !== "number") return undefined;
  const awaited: Awaited = {
    peer,
    subject,
    timeoutMs,
    deadlineAtMs,
    durable: true,
    keptUntilMs: typeof keptUntilMs === "number" ? keptUntilMs : Infinity,
    timer: undefined,
    waiters: new Set(),
  };
  if (fields.length > 4) awaited.outcome = succeeded === true ? { value } : { error: errorOf(value) };
  return awaited;
}

function errorOf(value: unknown): WireError {
  const [code, message, retryable, details]: unknown[] = Array.isArray(value) ? value : [];
  const plain: WireError["details"] = typeof details === "object" && details !== null ? { ...details } : {};
  return { code: String(code), message: String(message), retryable: retryable === true, details: plain };
}
