import { type Did, type KeyPair, parseDid } from "../../identity/index.ts";
import { type Clock, type Logger, type Metrics, type Random } from "../../kernel/index.ts";
import type { Mesh, MeshFrame } from "../../mesh/index.ts";
import { PRIORITIES } from "../../model/index.ts";
import type { Store } from "../../storage/index.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import { decodeReports } from "./ack-codec.ts";
import { checkMessage } from "./check-message.ts";
import { Mail } from "../mail/mail.ts";
import type { MailOptions } from "../mail/types.ts";
import { DeadLetterBook, messageOf } from "./dead-letters.ts";
import { Inbox } from "./inbox.ts";
import { defaultDeliveryLimits, type DeliveryLimits } from "./limits.ts";
import { Outbox } from "./outbox.ts";
import type { DeliveryShared } from "./shared.ts";
import type {
  DeadLetters,
  Delivery,
  DeliveryCounts,
  HeldReport,
  MessageHandler,
  OutboxReport,
  OutgoingMessage,
  SentMessage,
} from "./types.ts";

export interface DeliveryOptions {
  /** Not started, or started in this turn of the event loop: every link is to be seen. */
  readonly mesh: Mesh;
  /** Of this node: signs, and opens what was sealed for it. */
  readonly keyPair: KeyPair;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Rises with every start of this node and was on disk before it began: no sequence is ever used for two messages. */
  readonly epoch: number;
  readonly limits?: Partial<DeliveryLimits>;
  /** Absent: what waits for a peer that is away waits here only, and nothing is kept for others. */
  readonly mail?: MailOptions;
}

/** Reads what earlier lives of this node left and goes on with it. @throws {EasynetError} STORAGE_FAILED */
export function createDelivery(options: DeliveryOptions): Delivery {
  return new DeliveryService(options);
}

class DeliveryService implements Delivery {
  readonly deadLetters: DeadLetters;
  readonly #shared: DeliveryShared;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #dead: DeadLetterBook;
  readonly #mail: Mail | undefined;
  readonly #listeners: readonly Disposable[];
  #scheduled = false;
  #closing: Promise<void> | undefined;

  constructor(options: DeliveryOptions) {
    const { mesh, store, clock, metrics, epoch } = options;
    const logger = options.logger.child({ component: "delivery" });
    const limits = { ...defaultDeliveryLimits, ...options.limits };
    this.#shared = {
      ...options,
      logger,
      limits,
      counts: { sent: 0, acknowledged: 0, received: 0, duplicates: 0, handled: 0, expired: 0, dead: 0 },
      commit: (writes, disk) => store.commit(writes, { durability: disk ? "disk" : "process" }),
      schedule: () => this.#schedule(),
    };
    this.#dead = new DeadLetterBook({ store, clock, logger, metrics, epoch, countMax: limits.deadCountMax });
    this.#outbox = new Outbox(this.#shared, this.#dead);
    this.#inbox = new Inbox(this.#shared, this.#outbox, this.#dead);
    this.deadLetters = {
      list: (page = {}) => this.#dead.list(page),
      requeue: async (key) => this.#requeue(key),
      drop: async (key) => this.#drop(key),
    };
    this.#outbox.recover();
    this.#inbox.recover();
    const ends = { outbox: this.#outbox, inbox: this.#inbox };
    this.#mail = options.mail && new Mail(this.#shared, ends, options.mail);
    mesh.handle(FRAME_TYPES["message-batch"], (frame) => this.#inbox.onBatch(frame));
    mesh.handle(FRAME_TYPES["message-ack"], (frame) => this.#onReports("ack", frame));
    mesh.handle(FRAME_TYPES["message-gap"], (frame) => this.#onReports("gap", frame));
    mesh.handle(FRAME_TYPES["message-watermarks"], (frame) => this.#onReports("watermarks", frame));
    this.#listeners = [
      // Also for a link that took the place of another: what was under way on that one may be lost.
      mesh.on("peer-joined", ({ did }) => this.#onJoined(did)),
      mesh.on("peer-left", ({ did }) => this.#outbox.onUnlinked(did)),
    ];
    for (const { did } of mesh.peers()) this.#onJoined(did);
  }

  send(to: Did, message: OutgoingMessage): SentMessage {
    const checked = checkMessage(message);
    this.#outbox.checkRoom(to, checked);
    return this.#outbox.add(to, checked);
  }

  async drained(to: Did, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#outbox.drained(to, options.signal);
  }

  handle(handler: MessageHandler): void {
    this.#inbox.handle(handler);
  }

  outbox(): readonly OutboxReport[] {
    return this.#outbox.reports().map((report) => ({
      ...report,
      ...this.#mail?.handed(report.peer, PRIORITIES.indexOf(report.priority)),
    }));
  }

  held(): readonly HeldReport[] {
    return this.#mail?.held() ?? [];
  }

  prove(id: string): Uint8Array {
    return this.#inbox.signed.prove(id);
  }

  counts(): DeliveryCounts {
    return { ...this.#shared.counts };
  }

  async forget(peer: Did): Promise<void> {
    const writes = [...this.#outbox.forget(peer), ...this.#inbox.forget(peer)];
    if (writes.length > 0) await this.#shared.commit(writes, true);
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    this.#outbox.flush();
    await this.#mail?.close();
    await this.#inbox.close();
    this.#outbox.close();
  }

  /** Once for everything of one turn of the event loop: a lone message waits for nothing, many travel together. */
  #schedule(): void {
    if (this.#scheduled || this.#closing) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#closing) return;
      this.#outbox.flush();
      this.#inbox.flush();
    });
  }

  #onJoined(did: Did): void {
    this.#inbox.onLinked(did);
    this.#outbox.onLinked(did);
    this.#mail?.onLinked(did);
  }

  #onReports(kind: "ack" | "gap" | "watermarks", { from, body }: MeshFrame): void {
    try {
      this.#outbox.onReports(from, kind, decodeReports(body));
    } catch (error) {
      this.#shared.metrics.count("easynet_messages_refused_total", { reason: "malformed" });
      this.#shared.logger.debug("report not read", { peer: from, error });
    }
  }

  async #requeue(key: string): Promise<void> {
    const letter = this.#dead.get(key);
    if (letter.direction === "in") {
      await this.#inbox.handleAgain(letter, () => this.#dead.remove(key));
      return;
    }
    const peer = parseDid(letter.peer);
    const message = messageOf(letter);
    this.#outbox.checkRoom(peer, message);
    const sent = this.#outbox.add(peer, message);
    // AFTER it is stored again: dying between the two sends it twice, never not at all.
    await sent.stored;
    await this.#shared.commit([this.#dead.remove(key)], true);
  }

  async #drop(key: string): Promise<void> {
    this.#dead.get(key);
    await this.#shared.commit([this.#dead.remove(key)], true);
  }
}
