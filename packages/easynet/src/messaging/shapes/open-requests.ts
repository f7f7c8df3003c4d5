import type { Did } from "../../identity/index.ts";
import { type Clock, EasynetError, type Logger, toEasynetError, type WireError } from "../../kernel/index.ts";
import type { Store } from "../../storage/index.ts";
import type { OutgoingMessage, SentMessage, Transaction } from "../delivery/types.ts";
import { REQUESTS_OPEN_MAX } from "./limits.ts";
import type { Received } from "./received.ts";
import { fromRow, toRow } from "./received-row.ts";

const SPACE = "message-requests";
const ROWS_COUNT_MAX = 10_000;
/** How often, ms, and how many times a row is looked for that is about to be committed. */
const ROW_TRY_MS = 5;
const ROW_TRIES_MAX = 2_000;

/** What a handler made of a request. */
export type Answer = { readonly value: unknown } | { readonly error: WireError };

export interface OpenRequestsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Runs the handler; what it returns or throws is the answer. */
  readonly handle: (received: Received) => unknown;
  /** The message that answers. */
  readonly answerTo: (received: Received, answer: Answer) => OutgoingMessage;
  /** It cannot leave with a commit: it has to become an artifact first. */
  readonly isLarge: (message: OutgoingMessage) => boolean;
  readonly send: (to: Did, message: OutgoingMessage) => SentMessage;
}

/**
 * Requests of others that are being worked on, beside each other. A durable one is a row until its answer is stored, so
 * that a node which dies works on it again; who handles requests with outside effects uses the request's id as
 * idempotency key.
 */
export class OpenRequests {
  readonly #options: OpenRequestsOptions;
  readonly #open = new Set<string>();

  constructor(options: OpenRequestsOptions) {
    this.#options = options;
  }

  /** Goes on with what an earlier process of this node had taken. */
  async resume(nowMs: number): Promise<void> {
    const { store, logger } = this.#options;
    const over: string[] = [];
    for (const { key, value } of store.list(SPACE, { limit: ROWS_COUNT_MAX })) {
      const received = fromRow(value);
      if (!received || received.expiresAtMs <= nowMs) over.push(key);
      else {
        this.#open.add(key);
        void this.#finish(key, received, this.#answer({ ...received, attempt: received.attempt + 1 }));
      }
    }
    if (over.length > 0) await store.commit(over.map((key) => ({ kind: "delete", space: SPACE, key })));
    if (this.#open.size > 0) logger.info("requests taken up again", { count: this.#open.size });
  }

  /** Starts one; the row of a durable one is committed with the fact that it came. */
  accept(received: Received, transaction: Transaction): void {
    const { answerTo, isLarge } = this.#options;
    const key = `${received.sender} ${received.id}`;
    if (this.#open.has(key)) return;
    if (this.#open.size >= REQUESTS_OPEN_MAX) {
      const error = new EasynetError("OVERLOADED", { subject: "This node", queued: this.#open.size });
      transaction.send(received.sender, answerTo(received, { error: error.toJSON() }));
      return;
    }
    const answer = this.#answer(received);
    if (!(answer instanceof Promise) && answer && !isLarge(answer)) {
      transaction.send(received.sender, answer);
      return;
    }
    this.#open.add(key);
    if (received.durability !== "volatile") transaction.put(SPACE, key, toRow(received));
    void this.#finish(key, received, answer);
  }

  /** Undefined when a node that stops has none: the next start works on a durable one again. */
  #answer(received: Received): Made | Promise<Made> {
    const { answerTo } = this.#options;
    const work = this.#run(received);
    if (!(work instanceof Promise)) return answerTo(received, work);
    const isDurable = received.durability !== "volatile";
    return work.then((answer) => (isDurable && isStopping(answer) ? undefined : answerTo(received, answer)));
  }

  /** The answer at once when the handler has it at once. */
  #run(received: Received): Answer | Promise<Answer> {
    try {
      const result = this.#options.handle(received);
      if (!(result instanceof Promise)) return { value: result };
      return result.then(
        (value: unknown) => ({ value }),
        (thrown: unknown) => ({ error: toEasynetError(thrown).toJSON() }),
      );
    } catch (thrown) {
      return { error: toEasynetError(thrown).toJSON() };
    }
  }

  async #finish(key: string, received: Received, made: Made | Promise<Made>): Promise<void> {
    const { send, logger } = this.#options;
    try {
      const answer = await made;
      if (!answer) return;
      await send(received.sender, answer).stored;
      if (received.durability !== "volatile") await this.#deleteRow(key);
    } catch (error) {
      logger.warn("an answer could not be sent", { to: received.sender, kind: received.kind, error });
    } finally {
      this.#open.delete(key);
    }
  }

  /** A handler may be done before the commit that its row is in: what is not there yet cannot be deleted. */
  async #deleteRow(key: string): Promise<void> {
    const { store, clock } = this.#options;
    for (let tries = 0; store.get(SPACE, key) === undefined && tries < ROW_TRIES_MAX; tries++) {
      await new Promise<void>((resolve) => {
        clock.setTimer(ROW_TRY_MS, resolve);
      });
    }
    await store.commit([{ kind: "delete", space: SPACE, key }]);
  }
}

type Made = OutgoingMessage | undefined;

function isStopping(answer: Answer): boolean {
  return "error" in answer && answer.error.code === "NODE_STOPPING";
}
