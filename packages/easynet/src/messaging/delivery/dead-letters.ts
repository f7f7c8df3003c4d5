import { z } from "zod";
import { type Did, parseDid } from "../../identity/index.ts";
import { type Clock, EasynetError, formatId, type Logger, type Metrics, parseId } from "../../kernel/index.ts";
import { checkSchema, type Priority, PRIORITIES } from "../../model/index.ts";
import type { Store, Write } from "../../storage/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { DURABILITIES } from "./batch-layout.ts";
import { type BatchMessage, readBatch } from "./batch-reader.ts";
import type { CheckedMessage } from "./check-message.ts";
import { checkMessage } from "./check-message.ts";
import { SPACES } from "./rows.ts";
import { DEAD_REASONS, type DeadLetter, type DeadReason, type OutgoingMessage } from "./types.ts";

const TIME_DIGITS = 15;
/** Characters kept of an error. */
const ERROR_LENGTH_MAX = 1000;
const LIST_COUNT_DEFAULT = 100;
const LIST_COUNT_MAX = 1000;
const TRIM_PAGE_COUNT = 10_000;

const optional = z.string().max(255).nullable();
const letterSchema = z.strictObject({
  direction: z.enum(["in", "out"]),
  peer: z.string(),
  lane: z.int().min(0).max(3),
  durability: z.int().min(0).max(2),
  reason: z.enum(DEAD_REASONS),
  epoch: z.int(),
  sequence: z.int(),
  sentAtMs: z.number(),
  lifetimeMs: z.int().min(1),
  id: z.string(),
  correlationId: optional,
  kind: z.string(),
  payload: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  texts: z.array(optional).max(5),
  attempts: z.int(),
  firstError: z.string(),
  lastError: z.string(),
  diedAtMs: z.number(),
});

/** A letter with everything that sending or handling it again needs. */
export type StoredLetter = z.output<typeof letterSchema>;

/** Where a message died. */
export interface Death {
  readonly peer: Did;
  readonly direction: "in" | "out";
  readonly reason: DeadReason;
  readonly lane: number;
  readonly durability: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly sentAtMs: number;
  readonly attempts: number;
  readonly firstError: string;
  readonly lastError: string;
}

export interface DeadLetterOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly epoch: number;
  readonly countMax: number;
}

/** The rows of dead letters, oldest first; above the limit the oldest go. Makes writes, commits nothing. */
export class DeadLetterBook {
  readonly #options: DeadLetterOptions;
  readonly #keys: string[] = [];
  #lastNumber = 0;

  constructor(options: DeadLetterOptions) {
    this.#options = options;
    for (let after = ""; ;) {
      const page = options.store.list(SPACES.dead, { limit: TRIM_PAGE_COUNT, ...(after !== "" && { after }) });
      for (const { key } of page) this.#keys.push((after = key));
      if (page.length === 0) return;
    }
  }

  get count(): number {
    return this.#keys.length;
  }

  /** Letters for all messages of a batch that expired. */
  expired(peer: Did, direction: "in" | "out", batch: Buffer): Write[] {
    const { lane, durability, epoch, first, sentAtMs, messages } = readBatch(batch);
    const basics = { peer, direction, lane, durability, epoch, sentAtMs, attempts: 0, firstError: "", lastError: "" };
    return messages.flatMap((message, index) =>
      this.add(message, { ...basics, reason: "expired", sequence: first + index }),
    );
  }

  /** The letter of one message, and the ends of those for which there is no room any more. */
  add(message: BatchMessage, death: Death): Write[] {
    const { clock, epoch, metrics, countMax } = this.#options;
    const { kind, payload, lifetimeMs, texts } = message;
    const diedAtMs = Math.max(0, Math.floor(clock.nowMs()));
    const letter: StoredLetter = {
      ...death,
      firstError: death.firstError.slice(0, ERROR_LENGTH_MAX),
      lastError: death.lastError.slice(0, ERROR_LENGTH_MAX),
      kind,
      payload,
      lifetimeMs,
      id: formatId(message.id),
      correlationId: message.correlationId ? formatId(message.correlationId) : null,
      texts: texts.map((text) => text ?? null),
      diedAtMs,
    };
    this.#lastNumber += 1;
    const key = `${String(diedAtMs).padStart(TIME_DIGITS, "0")}-${epoch}-${this.#lastNumber}`;
    this.#keys.push(key);
    metrics.count("easynet_messages_dead_total", { reason: death.reason });
    const writes: Write[] = [{ kind: "put", space: SPACES.dead, key, value: encodeValue(letter) }];
    for (const oldest of this.#keys.splice(0, Math.max(0, this.#keys.length - countMax))) {
      metrics.count("easynet_messages_dead_dropped_total");
      writes.push({ kind: "delete", space: SPACES.dead, key: oldest });
    }
    return writes;
  }

  list(options: { readonly after?: string; readonly limit?: number }): readonly DeadLetter[] {
    const limit = Math.min(LIST_COUNT_MAX, Math.max(1, Math.floor(options.limit ?? LIST_COUNT_DEFAULT)));
    const page = this.#options.store.list(SPACES.dead, {
      limit,
      ...(options.after !== undefined && { after: options.after }),
    });
    return page.flatMap(({ key, value }) => {
      const letter = this.#decode(key, value);
      return letter ? [shown(key, letter)] : [];
    });
  }

  /** @throws {EasynetError} MESSAGE_NOT_FOUND */
  get(key: string): StoredLetter {
    const value = key === "" ? undefined : this.#options.store.get(SPACES.dead, key);
    const letter = value && this.#decode(key, value);
    if (!letter) throw new EasynetError("MESSAGE_NOT_FOUND", { key });
    return letter;
  }

  remove(key: string): Write {
    const index = this.#keys.indexOf(key);
    if (index >= 0) this.#keys.splice(index, 1);
    return { kind: "delete", space: SPACES.dead, key };
  }

  #decode(key: string, value: Uint8Array): StoredLetter | undefined {
    try {
      const checked = checkSchema(letterSchema, decodeValue(value));
      if (checked.success) return checked.data;
      this.#options.logger.error("a dead letter has another form", { key });
    } catch (error) {
      this.#options.logger.error("a dead letter cannot be read", { key, error });
    }
    return undefined;
  }
}

/** The message of a letter, to be sent again with a new lifetime. */
export function messageOf(letter: StoredLetter): CheckedMessage {
  const [trace, cause, session, from, to] = letter.texts;
  const message: OutgoingMessage = {
    kind: letter.kind,
    payload: letter.payload,
    id: letter.id,
    priority: priorityOf(letter.lane),
    durability: DURABILITIES[letter.durability] ?? "disk",
    expiresInMs: letter.lifetimeMs,
    ...(letter.correlationId !== null && { correlationId: letter.correlationId }),
    ...(typeof trace === "string" && { trace }),
    ...(typeof cause === "string" && { cause }),
    ...(typeof session === "string" && { session }),
    ...(typeof from === "string" && { from }),
    ...(typeof to === "string" && { to }),
  };
  return checkMessage(message);
}

/** The message of a letter, to be handled again. */
export function batchMessageOf(letter: StoredLetter): BatchMessage {
  const { kind, payload, lifetimeMs, id, correlationId, texts } = letter;
  return {
    kind,
    payload,
    lifetimeMs,
    id: parseId(id) ?? new Uint8Array(16),
    correlationId: correlationId === null ? undefined : parseId(correlationId),
    texts: texts.map((text) => text ?? undefined),
  };
}

function priorityOf(lane: number): Priority {
  return PRIORITIES[lane] ?? "normal";
}

function shown(key: string, letter: StoredLetter): DeadLetter {
  const { direction, reason, id, kind, payload, attempts, firstError, lastError, diedAtMs, lane } = letter;
  return {
    key,
    direction,
    peer: parseDid(letter.peer),
    priority: priorityOf(lane),
    reason,
    id,
    kind,
    payload,
    attempts,
    firstError,
    lastError,
    diedAtMs,
  };
}
