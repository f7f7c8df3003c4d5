import { parseDid } from "../../identity/index.ts";
import { type Clock, EasynetError, type Logger, type Metrics, type Random, type Timer } from "../../kernel/index.ts";
import { batchMessageOf, type DeadLetterBook, type StoredLetter } from "./dead-letters.ts";
import { HandlerTransaction, type PendingEffects, type TransactionHost } from "./effects.ts";
import type { InboxCore } from "./inbox-core.ts";
import { HANDLER_TIMEOUT_MS } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { ReceivedBatch } from "./received-batch.ts";
import { Received } from "./received-message.ts";
import type { MutableCounts } from "./shared.ts";
import { isHopeless } from "./hopeless.ts";
import type { DeadReason, MessageHandler } from "./types.ts";

export interface HandlingOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly counts: MutableCounts;
  readonly dead: DeadLetterBook;
  readonly outbox: Outbox;
  readonly effects: PendingEffects;
  /** A batch is done with. */
  readonly onFinished: (core: InboxCore<ReceivedBatch>, batch: ReceivedBatch) => void;
  /** A lane of the core goes on, now or at its time. */
  readonly onReady: (core: InboxCore<ReceivedBatch>) => void;
}

/** Runs the handler over batches and keeps what it did for the next commit. */
export class Handling {
  handler: MessageHandler | undefined;
  #closed = false;
  readonly #timers = new Set<Timer>();
  /** Handlers whose promise resolved and whose effects wait for room; at most one for each lane. */
  readonly #ended: (() => void)[] = [];
  readonly #options: HandlingOptions;
  readonly #host: TransactionHost;

  constructor(options: HandlingOptions) {
    const { effects, outbox } = options;
    this.#options = options;
    this.#host = { effects, checkRoom: (to, message) => outbox.checkRoom(to, message) };
  }

  /** What handlers that still run do does not count any more. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
  }

  /** Handles the batch from its next message on, until its end, a promise, or a failure. */
  run(core: InboxCore<ReceivedBatch>, batch: ReceivedBatch, handler: MessageHandler): void {
    const { counts, metrics } = this.#options;
    const before = counts.handled;
    this.#run(core, batch, handler);
    if (counts.handled > before) metrics.count("easynet_messages_handled_total", {}, counts.handled - before);
  }

  #run(core: InboxCore<ReceivedBatch>, batch: ReceivedBatch, handler: MessageHandler): void {
    const { clock, counts } = this.#options;
    const ageMs = clock.monotonicMs() - batch.bornAtMs;
    for (let index = batch.next; index < batch.count; index++) {
      const message = batch.messages[index];
      if (!message) break;
      if (ageMs >= message.lifetimeMs) {
        this.#expire(core, batch, index);
        continue;
      }
      const attempt = index === batch.next ? core.lane(batch.lane).attempts + 1 : 1;
      const received = new Received(batch, message, { sequence: batch.first + index, attempt });
      const transaction = new HandlerTransaction(this.#host);
      let result: void | Promise<void>;
      try {
        result = handler(received, transaction);
      } catch (error) {
        transaction.end();
        core.progressed(batch, index);
        this.#fail(core, batch, error);
        return;
      }
      if (isPromise(result)) {
        core.progressed(batch, index);
        this.#wait(core, batch, { result, transaction });
        return;
      }
      this.#apply(core, batch, transaction);
      counts.handled += 1;
    }
    this.#finish(core, batch, batch.count);
  }

  /** What handlers did becomes part of the next commit, as far as that has room; the rest of the one after it. */
  resume(): void {
    while (!this.#closed && !this.#options.effects.full) {
      const end = this.#ended.shift();
      if (!end) return;
      end();
    }
  }

  /** The message of a dead letter; what the handler does is kept for the next commit. @throws what the handler threw */
  async again(letter: StoredLetter): Promise<void> {
    const { handler } = this;
    if (!handler) throw new EasynetError("NODE_STOPPING", {});
    const { lane, durability, epoch, sequence, sentAtMs } = letter;
    const sender = parseDid(letter.peer);
    const transaction = new HandlerTransaction(this.#host);
    try {
      const arrival = { sender, epoch, lane, durability, sentAtMs };
      await handler(
        new Received(arrival, batchMessageOf(letter), { sequence, attempt: letter.attempts + 1 }),
        transaction,
      );
      this.#keep(transaction);
      this.#options.counts.handled += 1;
    } finally {
      transaction.end();
    }
  }

  /** Waits for a handler's promise, at most {@link HANDLER_TIMEOUT_MS}. */
  #wait(
    core: InboxCore<ReceivedBatch>,
    batch: ReceivedBatch,
    running: { readonly result: Promise<void>; readonly transaction: HandlerTransaction },
  ): void {
    const { clock, counts, metrics } = this.#options;
    const { result, transaction } = running;
    let ended = false;
    const end = (error?: { readonly thrown: unknown }): void => {
      if (ended || this.#closed) return;
      ended = true;
      timer.cancel();
      this.#timers.delete(timer);
      transaction.end();
      if (error) {
        this.#fail(core, batch, error.thrown);
        return;
      }
      this.#ended.push(() => {
        this.#apply(core, batch, transaction);
        counts.handled += 1;
        metrics.count("easynet_messages_handled_total");
        this.#finish(core, batch, batch.next + 1);
      });
      this.resume();
    };
    const timer = clock.setTimer(HANDLER_TIMEOUT_MS, () => {
      const subject = "The handler of a message";
      end({ thrown: new EasynetError("DEADLINE_EXCEEDED", { subject, timeoutMs: HANDLER_TIMEOUT_MS }) });
    });
    this.#timers.add(timer);
    result.then(
      () => end(),
      (thrown: unknown) => end({ thrown }),
    );
  }

  #apply(core: InboxCore<ReceivedBatch>, batch: ReceivedBatch, transaction: HandlerTransaction): void {
    transaction.end();
    if (this.#keep(transaction)) core.change(batch.lane, Math.max(1, batch.durability));
  }

  /** True when the handler did something. */
  #keep({ writes, sends, bytes }: HandlerTransaction): boolean {
    const { effects, outbox } = this.#options;
    if (writes) effects.add(writes);
    for (const { to, message } of sends ?? []) outbox.add(to, message, true);
    if (sends) effects.addBytes(bytes);
    return writes !== undefined || sends !== undefined;
  }

  #expire(core: InboxCore<ReceivedBatch>, batch: ReceivedBatch, index: number): void {
    this.#options.counts.expired += 1;
    this.#options.metrics.count("easynet_messages_expired_total", { side: "recipient" });
    this.#bury(core, batch, { index, reason: "expired", lastError: "" });
  }

  /** The message at `next` failed. */
  #fail(core: InboxCore<ReceivedBatch>, batch: ReceivedBatch, thrown: unknown): void {
    const { clock, random, counts, logger, metrics, onReady } = this.#options;
    const lastError = describe(thrown);
    if (batch.firstError === "") batch.firstError = lastError;
    metrics.count("easynet_messages_failed_total");
    const reason = isHopeless(thrown) ? "refused" : "failed";
    if (reason === "refused") core.refused(batch);
    if (reason === "refused" || core.failed(batch, clock.monotonicMs(), random.next()) === "dead") {
      logger.warn("a message became a dead letter", { sender: batch.sender, error: thrown });
      counts.dead += 1;
      this.#bury(core, batch, { index: batch.next, reason, lastError });
      this.#finish(core, batch, batch.next + 1);
    } else onReady(core);
  }

  #bury(
    core: InboxCore<ReceivedBatch>,
    batch: ReceivedBatch,
    end: { readonly index: number; readonly reason: DeadReason; readonly lastError: string },
  ): void {
    const message = batch.messages[end.index];
    if (!message || batch.durability === 0) return;
    const { lane, durability, epoch, sentAtMs, sender: peer } = batch;
    const { reason, lastError } = end;
    const attempts = reason === "expired" ? 0 : core.lane(lane).attempts;
    const sequence = batch.first + end.index;
    const origin = { peer, direction: "in", lane, durability, epoch, sequence, sentAtMs } as const;
    const firstError = reason === "expired" ? "" : batch.firstError;
    this.#options.effects.add(this.#options.dead.add(message, { ...origin, reason, attempts, firstError, lastError }));
    core.change(lane, durability);
  }

  #finish(core: InboxCore<ReceivedBatch>, batch: ReceivedBatch, upTo: number): void {
    if (upTo > batch.next) batch.firstError = "";
    if (core.handled(batch, upTo)) this.#options.onFinished(core, batch);
    this.#options.onReady(core);
  }
}

function isPromise(result: unknown): result is Promise<void> {
  return typeof result === "object" && result !== null && "then" in result && typeof result.then === "function";
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}
