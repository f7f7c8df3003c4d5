/**
 * A bridge to NATS as a node keeps it: opened again as long as it does not open, what goes out waits on disk while NATS is
 * away, and what comes in is published once also when JetStream gives it twice. Only a crash of this node between
 * publishing and remembering publishes a message twice, under the same id.
 */
import { backoffMs, type Clock, EasynetError, type Random, type Timer, toEasynetError } from "../../kernel/index.ts";
import type { Store } from "../../storage/index.ts";
import { BridgeOutbox } from "./bridge-outbox.ts";
import { encodeJson, requireClient, type NatsBridge, type NatsBridgeOptions, openNatsBridge } from "./nats-bridge.ts";
import { type BridgedMessage, originOf } from "./nats-mapping.ts";
import { TakenIds } from "./taken-ids.ts";

/** Messages on their way to NATS at once. */
const SENT_COUNT_MAX = 64;
const RETRY = { baseMs: 500, capMs: 30_000 };

export interface KeptBridgeOptions extends NatsBridgeOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Before the first connection, ms. */
  readonly delayMs: number;
}

/** For status and doctor. */
export interface BridgeReport {
  readonly kind: "nats";
  readonly servers: string;
  readonly stream: string;
  readonly linked: boolean;
  /** Why it is not linked, or was not at the last attempt; "" = not tried yet. */
  readonly reason: string;
  /** Messages that wait on disk for NATS. */
  readonly waiting: number;
}

export interface KeptBridge {
  /** Topics whose messages it wants. */
  readonly topics: readonly string[];
  /** Starts to connect. @throws {EasynetError} DEPENDENCY_MISSING */
  start(): Promise<void>;
  /**
   * Takes a message of a mirrored topic; resolves when it is on disk, at once for what it does not mirror.
   * @throws {EasynetError} INVALID_ARGUMENT (no JSON), OVERLOADED, STORAGE_FULL
   */
  forward(message: BridgedMessage): Promise<void>;
  status(): BridgeReport;
  close(): Promise<void>;
}

export function createKeptBridge(options: KeptBridgeOptions): KeptBridge {
  return new StoringBridge(options);
}

class StoringBridge implements KeptBridge {
  readonly topics: readonly string[];
  readonly #options: KeptBridgeOptions;
  readonly #outbox: BridgeOutbox;
  readonly #taken: TakenIds;
  #bridge: NatsBridge | undefined;
  #reason = "";
  #running: Promise<void> = Promise.resolve();
  #sending: Promise<void> | undefined;
  #failures = 0;
  #closed = false;
  readonly #sleepers = new Map<Timer, () => void>();

  constructor(options: KeptBridgeOptions) {
    this.#options = options;
    this.topics = options.toNats;
    this.#outbox = new BridgeOutbox(options.store);
    this.#taken = new TakenIds(options.store);
  }

  async start(): Promise<void> {
    await requireClient();
    this.#running = this.#keepOpen();
  }

  async forward(message: BridgedMessage): Promise<void> {
    const { toNats, stream } = this.#options;
    if (!toNats.includes(message.topic) || message.from === originOf(stream)) return;
    encodeJson(message.payload);
    await this.#outbox.add(message);
    this.#send();
  }

  status(): BridgeReport {
    const { servers, stream } = this.#options;
    const linked = this.#bridge?.linked ?? false;
    const reason = this.#bridge ? "the connection is lost" : this.#reason;
    return { kind: "nats", servers, stream, linked, reason: linked ? "" : reason, waiting: this.#outbox.size };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const [timer, wake] of this.#sleepers) {
      timer.cancel();
      wake();
    }
    await this.#bridge?.close();
    await this.#running;
    await this.#sending;
  }

  async #keepOpen(): Promise<void> {
    const { logger } = this.#options;
    await this.#sleep(this.#options.delayMs);
    for (let attempt = 0; !this.#closed; attempt++) {
      try {
        const bridge = await openNatsBridge({ ...this.#options, publish: (message) => this.#publish(message) });
        this.#bridge = bridge;
        if (this.#closed) {
          await bridge.close();
          return;
        }
        logger.info("bridge to NATS open", { servers: this.#options.servers });
        attempt = 0;
        this.#send();
        await bridge.ended;
        this.#bridge = undefined;
        this.#reason = "the consumer of the stream is gone";
        if (!this.#closed) await bridge.close();
      } catch (thrown) {
        const error = toEasynetError(thrown);
        this.#reason = error.message;
        logger.warn("the bridge to NATS does not open", { code: error.code, reason: error.message });
      }
      await this.#sleep(this.#pauseMs(attempt));
    }
  }

  /** Published once. */
  async #publish(message: BridgedMessage): Promise<void> {
    if (this.#taken.has(message.id)) return;
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    await this.#options.publish(message);
    await this.#taken.add(message.id);
  }

  #send(): void {
    this.#sending ??= this.#sendAll()
      .catch((error: unknown) => this.#options.logger.error("the bridge sends nothing any more", { error }))
      .finally(() => (this.#sending = undefined));
  }

  /** Until nothing waits, or there is no bridge: then opening it goes on with this. */
  async #sendAll(): Promise<void> {
    while (!this.#closed && this.#bridge) {
      const bridge = this.#bridge;
      const waiting = this.#outbox.first(SENT_COUNT_MAX);
      if (waiting.length === 0) return;
      const outcomes = await Promise.allSettled(waiting.map(({ message }) => bridge.forward(message)));
      const done = waiting.filter((_, index) => this.#isDone(outcomes[index]));
      await this.#outbox.remove(done);
      this.#failures = done.length > 0 ? 0 : this.#failures + 1;
      if (done.length === 0) await this.#sleep(this.#pauseMs(this.#failures));
    }
  }

  #isDone(outcome: PromiseSettledResult<void> | undefined): boolean {
    if (outcome?.status !== "rejected") return true;
    const error = toEasynetError(outcome.reason);
    if (error.retryable) return false;
    this.#options.logger.error("a message cannot be given to NATS", { code: error.code, reason: error.message });
    this.#options.metrics.count("easynet_bridge_messages_total", { direction: "out", outcome: "refused" });
    return true;
  }

  #pauseMs(attempt: number): number {
    return backoffMs(attempt, RETRY, this.#options.random);
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#closed) return;
    const { clock } = this.#options;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#sleepers.delete(timer);
        resolve();
      };
      const timer = clock.setTimer(ms, wake);
      this.#sleepers.set(timer, wake);
    });
  }
}
