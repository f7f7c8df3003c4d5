import type { Did } from "../../identity/index.ts";
import { backoffMs, type Clock, createId, EasynetError, type Logger, type Random } from "../../kernel/index.ts";
import { PRIORITIES, type Priority } from "../../model/index.ts";
import type { Store, Write } from "../../storage/index.ts";
import type { DeadReason, MessageDurability, OutgoingMessage, SentMessage, Transaction } from "../delivery/types.ts";
import { isHopeless } from "../delivery/hopeless.ts";
import { OWN_COUNT_MAX } from "./limits.ts";
import { isInTurn } from "./body-codec.ts";
import { type Received, withFields } from "./received.ts";
import { fromRow, toRow } from "./received-row.ts";

const OWN_SPACE = "message-own";
/** As the delivery between nodes does it: a handler that failed so often is not called again. */
const ATTEMPTS_MAX = 5;
const RETRY = { baseMs: 200, capMs: 30_000 };
const EXPIRES_IN_MS = 300_000;

export interface OwnMessagesOptions {
  readonly self: Did;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly handle: (received: Received, transaction: Transaction) => void | Promise<void>;
  readonly send: (to: Did, message: OutgoingMessage) => SentMessage;
  /** Told of a message that was not handled in the end. */
  readonly onDropped: (received: Received, reason: DeadReason) => void;
}

interface Waiting {
  readonly received: Received;
  /** Its row; undefined for a volatile one. */
  readonly key: string | undefined;
  readonly stored: Promise<void>;
}

/**
 * Messages of this node to itself: one-way ones in order per priority, stored by their durability, handled in one commit with what
 * their handler wrote. They never leave, so nothing acknowledges them but the commit.
 */
export class OwnMessages {
  readonly #options: OwnMessagesOptions;
  readonly #lanes = new Map<Priority, Waiting[]>();
  readonly #running = new Set<Priority>();
  #count = 0;
  #number = 0;
  #closed = false;

  constructor(options: OwnMessagesOptions) {
    this.#options = options;
  }

  /** Takes up what an earlier process left. */
  start(): void {
    for (const { key, value } of this.#options.store.list(OWN_SPACE, { limit: OWN_COUNT_MAX })) {
      const received = fromRow(value);
      const waiting = received && { received, key, stored: Promise.resolve() };
      if (waiting && isInTurn(waiting.received.payload)) this.#queue(waiting);
      else if (waiting) this.#handleNow(waiting);
    }
  }

  /** @throws {EasynetError} BACKPRESSURE, NODE_STOPPING */
  send(message: OutgoingMessage): SentMessage {
    const { self, store, clock } = this.#options;
    this.#checkRoom(message.priority ?? "normal");
    const nowMs = clock.nowMs();
    const durability: MessageDurability = message.durability ?? "disk";
    const received: Received = {
      sender: self,
      id: message.id ?? createId(nowMs),
      kind: message.kind,
      payload: message.payload.slice(),
      priority: message.priority ?? "normal",
      durability,
      attempt: 1,
      sentAtMs: nowMs,
      expiresAtMs: nowMs + (message.expiresInMs ?? EXPIRES_IN_MS),
      from: message.from,
      to: message.to,
      correlationId: message.correlationId,
    };
    const key = durability === "volatile" ? undefined : this.#nextKey(received.priority, nowMs);
    const write = key === undefined ? undefined : { space: OWN_SPACE, key, value: toRow(received) };
    const stored = write ? store.commit([{ kind: "put", ...write }]) : Promise.resolve();
    // Whoever reads `stored` hears of it; the message is not handled then.
    stored.catch(() => undefined);
    if (isInTurn(message.payload)) this.#queue({ received, key, stored });
    else this.#handleNow({ received, key, stored });
    return { id: received.id, stored, acknowledged: stored };
  }

  /**
   * What another node sent, to be handled beside everything else, as safely stored as its durability says when this resolves.
   * @throws {EasynetError} BACKPRESSURE, NODE_STOPPING, STORAGE_FULL
   */
  async take(received: Received): Promise<void> {
    const { store, clock } = this.#options;
    this.#checkRoom(received.priority);
    const key = received.durability === "volatile" ? undefined : this.#nextKey(received.priority, clock.nowMs());
    const stored =
      key === undefined
        ? Promise.resolve()
        : store.commit([{ kind: "put", space: OWN_SPACE, key, value: toRow(received) }]);
    this.#handleNow({ received: withFields(received, { attempt: 1, payload: received.payload.slice() }), key, stored });
    await stored;
  }

  close(): void {
    this.#closed = true;
  }

  #checkRoom(lane: Priority): void {
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    if (this.#count >= OWN_COUNT_MAX) throw new EasynetError("BACKPRESSURE", { peer: "This node", bytes: 0, lane });
  }

  /** In order of their sending, also after a restart; a clock that goes back may mix two processes' messages. */
  #nextKey(priority: Priority, nowMs: number): string {
    const number = String(++this.#number).padStart(12, "0");
    return `${PRIORITIES.indexOf(priority)}.${String(Math.floor(nowMs)).padStart(15, "0")}.${number}`;
  }

  /** A request must not wait for a handler that waits for its answer. */
  #handleNow(waiting: Waiting): void {
    this.#count++;
    void this.#handle(waiting).finally(() => this.#count--);
  }

  #queue(waiting: Waiting): void {
    const { priority } = waiting.received;
    const lane = this.#lanes.get(priority) ?? [];
    this.#lanes.set(priority, lane);
    lane.push(waiting);
    this.#count++;
    if (!this.#running.has(priority)) void this.#run(priority, lane);
  }

  async #run(priority: Priority, lane: Waiting[]): Promise<void> {
    this.#running.add(priority);
    // Not within `send`: the sender goes on first.
    await Promise.resolve();
    for (let next = lane[0]; next && !this.#closed; next = lane[0]) {
      await this.#handle(next);
      lane.shift();
      this.#count--;
    }
    this.#running.delete(priority);
  }

  async #handle({ received, key, stored }: Waiting): Promise<void> {
    const { clock, random, logger, onDropped } = this.#options;
    try {
      await stored;
    } catch {
      return;
    }
    for (let attempt = received.attempt; !this.#closed; attempt++) {
      const isExpired = received.expiresAtMs <= clock.nowMs();
      if (isExpired || attempt > ATTEMPTS_MAX) {
        onDropped(received, isExpired ? "expired" : "failed");
        return this.#remove(key);
      }
      try {
        return await this.#handleOnce({ ...received, attempt }, key);
      } catch (error) {
        if (isHopeless(error)) {
          onDropped(received, "refused");
          return this.#remove(key);
        }
        logger.warn("a message to this node was not handled", { kind: received.kind, attempt, error });
        await new Promise<void>((resolve) => {
          clock.setTimer(backoffMs(attempt, RETRY, random), resolve);
        });
      }
    }
  }

  async #handleOnce(received: Received, key: string | undefined): Promise<void> {
    const { store, handle, send } = this.#options;
    const writes: Write[] = key === undefined ? [] : [{ kind: "delete", space: OWN_SPACE, key }];
    const outgoing: { readonly to: Did; readonly message: OutgoingMessage }[] = [];
    await handle(received, {
      get: (space, name) => {
        const own = writes.findLast((write) => write.space === space && write.key === name);
        if (own) return own.kind === "put" ? own.value : undefined;
        return store.get(space, name);
      },
      put: (space, name, value) => void writes.push({ kind: "put", space, key: name, value }),
      delete: (space, name) => void writes.push({ kind: "delete", space, key: name }),
      send: (to, message) => void outgoing.push({ to, message }),
    });
    // Stored before the message is done: a crash between the two sends them twice, never not at all.
    await Promise.all(outgoing.map(({ to, message }) => send(to, message).stored));
    if (writes.length > 0) await store.commit(writes);
  }

  async #remove(key: string | undefined): Promise<void> {
    if (key !== undefined) await this.#options.store.commit([{ kind: "delete", space: OWN_SPACE, key }]);
  }
}
