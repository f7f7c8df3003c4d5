import type { Did } from "../../identity/index.ts";
import type { Priority } from "../../model/index.ts";

/**
 * What a message survives. `volatile`: a broken link, not the death of either process. `process`: kill -9 of either.
 * `disk`: power loss as well; nothing of it is acknowledged before an fsync.
 */
export type MessageDurability = "volatile" | "process" | "disk";

export interface OutgoingMessage {
  /** Registered name of what it is, e.g. "status-update"; 1 to 128 bytes of UTF-8. */
  readonly kind: string;
  /** Encoded by the caller, copied during the call; 0 to 256 KiB. */
  readonly payload: Uint8Array;
  /** A UUID, for people and correlation; deduplication does not use it. @default a new UUIDv7 */
  readonly id?: string;
  /** The lane: order is kept within one, never promised between two. @default "normal" */
  readonly priority?: Priority;
  /** @default "disk" */
  readonly durability?: MessageDurability;
  /** From now, ms, more than 0; what was not handled by then is dead-lettered. @default 300,000 */
  readonly expiresInMs?: number;
  /**
   * The batch that it travels in is signed, so that the recipient can prove to others that this node sent it: a
   * signature here and its verification there for each such batch. @default false
   */
  readonly signed?: boolean;
  /** Id of the request that this answers; a UUID. */
  readonly correlationId?: string;
  /** W3C traceparent. Each of the texts below: at most 255 bytes of UTF-8. */
  readonly trace?: string;
  /** Id of the message or task that made this one necessary. */
  readonly cause?: string;
  readonly session?: string;
  /** The agents that speak; absent = the nodes themselves. */
  readonly from?: string;
  readonly to?: string;
}

export interface ReceivedMessage {
  /** The node that sent it; (sender, epoch, lane, sequence) is its identity and the idempotency key of outside effects. */
  readonly sender: Did;
  readonly epoch: number;
  readonly priority: Priority;
  readonly sequence: number;
  readonly kind: string;
  /** Its own: stays valid as long as it is held, together with the batch of up to 64 KiB that it came in. */
  readonly payload: Uint8Array;
  /** UUID; made from bytes when read. */
  readonly id: string;
  /** 1 at the first delivery in this process. */
  readonly attempt: number;
  readonly durability: MessageDurability;
  /** When it was sent and when it expires on this node's clock, Unix epoch ms. */
  readonly sentAtMs: number;
  readonly expiresAtMs: number;
  readonly correlationId: string | undefined;
  readonly trace: string | undefined;
  readonly cause: string | undefined;
  readonly session: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/**
 * What a handler does to the store and to others, committed together with the fact that the message was handled: all of
 * it, or nothing and the message is delivered again. Use it until the handler has returned or its promise settled.
 */
export interface Transaction {
  /** Sees the writes of this transaction and of all handlers that ended before, committed or not yet. */
  get(space: string, key: string): Uint8Array | undefined;
  put(space: string, key: string, value: Uint8Array): void;
  delete(space: string, key: string): void;
  /**
   * Leaves after the commit. Volatile messages are sent too, and lost with the process. A full outbox counts as a
   * failure of the handler. @throws {EasynetError} as {@link Delivery.send}
   */
  send(to: Did, message: OutgoingMessage): void;
}

/**
 * Called in order within (sender, lane), concurrently between them. Returning (or a promise that resolves) means
 * handled; throwing means again later, and after five times a dead letter. A handler without promise is much cheaper.
 */
export type MessageHandler = (message: ReceivedMessage, transaction: Transaction) => void | Promise<void>;

/** What was taken. No promise exists before one of these is read, so that one-way messages cost none. */
export interface SentMessage {
  readonly id: string;
  /**
   * Resolves when the message is as safe on this node as its durability says (or the recipient has it); volatile ones
   * at once. Stays pending while the disk is full. @throws {EasynetError} STORAGE_FAILED, MESSAGE_EXPIRED, NODE_STOPPING
   */
  readonly stored: Promise<void>;
  /**
   * Resolves when the recipient has taken it, as safely as its durability says: it will be handled there, or be a dead
   * letter there. @throws {EasynetError} MESSAGE_EXPIRED (it never left this node), NODE_STOPPING (a later start of
   * this node goes on with it unless it is volatile)
   */
  readonly acknowledged: Promise<void>;
}

/** What waits for one peer on one lane. */
export interface OutboxReport {
  readonly peer: Did;
  readonly priority: Priority;
  /** Messages not acknowledged, and their bytes. */
  readonly queued: number;
  readonly bytes: number;
  /** When the first of them was sent, Unix epoch ms. */
  readonly oldestAtMs: number;
  /** The member that keeps the first of them, sealed, for the peer, and how many. */
  readonly holder?: Did;
  readonly handed?: number;
}

/** What this node keeps, sealed, for a peer of another node that is away. */
export interface HeldReport {
  readonly sender: Did;
  readonly recipient: Did;
  readonly batches: number;
  readonly bytes: number;
}

/**
 * Why a message ended without being handled: its time was over, its handler failed five times, or it can never be handled
 * here because nobody handles its kind or its payload does not fit.
 */
export const DEAD_REASONS = ["expired", "failed", "refused"] as const;
export type DeadReason = (typeof DEAD_REASONS)[number];

export interface DeadLetter {
  /** Name of the letter on this node, for `requeue` and `drop`. */
  readonly key: string;
  /** `out`: it never left this node; `in`: it came and could not be handled. */
  readonly direction: "in" | "out";
  /** The recipient or the sender. */
  readonly peer: Did;
  readonly priority: Priority;
  readonly reason: DeadReason;
  readonly id: string;
  readonly kind: string;
  readonly payload: Uint8Array;
  readonly attempts: number;
  /** Of the handler; empty when it never ran. */
  readonly firstError: string;
  readonly lastError: string;
  readonly diedAtMs: number;
}

/** Messages of durability `process` and `disk` that ended without being handled; volatile ones are only counted. */
export interface DeadLetters {
  /** Oldest first. @param options `after`: only keys after this one; `limit`: 1 to 1,000, @default 100 */
  list(options?: { readonly after?: string; readonly limit?: number }): readonly DeadLetter[];
  /**
   * Sends one again (`out`: with a new lifetime) or gives it to the handler again (`in`), and takes it out.
   * @throws {EasynetError} MESSAGE_NOT_FOUND, BACKPRESSURE
   */
  requeue(key: string): Promise<void>;
  /** @throws {EasynetError} MESSAGE_NOT_FOUND */
  drop(key: string): Promise<void>;
}

/** Counted since the start of this process. */
export interface DeliveryCounts {
  readonly sent: number;
  readonly acknowledged: number;
  readonly received: number;
  readonly duplicates: number;
  readonly handled: number;
  readonly expired: number;
  readonly dead: number;
}

/**
 * Messages to other nodes of the network that survive broken links and, by their durability, crashes: at least once on
 * the wire, once in effect, in order within (sender, lane).
 */
export interface Delivery {
  /**
   * Takes a message for a node, linked or not; it leaves with everything else of this turn of the event loop.
   * @throws {EasynetError} BACKPRESSURE (the outbox for this peer is full: wait for `drained`), MESSAGE_TOO_LARGE,
   * INVALID_ARGUMENT, STORAGE_FULL, STORAGE_FAILED, NODE_STOPPING
   */
  send(to: Did, message: OutgoingMessage): SentMessage;
  /** Resolves when the outbox for this peer has room again. @throws {EasynetError} CANCELLED, NODE_STOPPING */
  drained(to: Did, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** One handler for all kinds; messages that came before wait for it. */
  handle(handler: MessageHandler): void;
  /** Peers and lanes with messages that are not acknowledged. */
  outbox(): readonly OutboxReport[];
  /** What this node keeps for others. */
  held(): readonly HeldReport[];
  readonly deadLetters: DeadLetters;
  /**
   * Shows to anybody that its sender sent a message to this node; up to 700 bytes beside the message. For signed ones,
   * which includes what came through a holder; of those, the newest 1,000 batches or 16 MiB.
   * @throws {EasynetError} PROOF_NOT_FOUND
   */
  prove(id: string): Uint8Array;
  counts(): DeliveryCounts;
  /** Drops everything that waits for or came from a node that will not come back. */
  forget(peer: Did): Promise<void>;
  /**
   * Hands what waits for peers that are away to members that hold mail, at most 2 s; ends handling, waits for the commits
   * under way. What is not volatile goes on with the next start. */
  close(): Promise<void>;
}
