import type { Did } from "../../identity/index.ts";
import type { Priority } from "../../model/index.ts";
import type { MessageDurability, SentMessage, Transaction } from "../delivery/types.ts";

/** A message as it is sent; what is absent its kind decides. */
export interface MessageContent {
  readonly kind: string;
  /** Anything that MessagePack can hold; of a kind with a schema, what fits it. Up to 64 MiB encoded; large ones travel as artifacts. */
  readonly payload: unknown;
  /** A UUID. A request that is sent again under its id is not sent: it gets the answer of the first. @default a new one */
  readonly id?: string | undefined;
  readonly durability?: MessageDurability | undefined;
  /** The receiving node can prove to others that this node sent it. @default false */
  readonly signed?: boolean | undefined;
  readonly priority?: Priority | undefined;
  /** How long it may be under way, ms. @default as its kind says, 300,000 for an undefined one */
  readonly expiresInMs?: number | undefined;
  /** The agent that speaks; absent = the node. */
  readonly from?: string | undefined;
  /** The agent it is for; absent = the node, or whoever handles the kind there. */
  readonly to?: string | undefined;
  /** Id of the message or task that made this one necessary. */
  readonly cause?: string | undefined;
}

export interface RequestContent extends Omit<MessageContent, "expiresInMs"> {
  /** Until the answer must be here, 1 ms to 7 days. @default 30,000 */
  readonly timeoutMs?: number | undefined;
  /** Stops the waiting; the receiver goes on. */
  readonly signal?: AbortSignal | undefined;
}

export interface MulticastContent extends MessageContent {
  /** Until when a receiver counts: it is stored here, or the receiver has it. @default "stored" */
  readonly wait?: "stored" | "acknowledged" | undefined;
}

/** A message as its handler gets it: read, and of the kind that it says. */
export interface Message {
  /** UUID; the idempotency key of what it asks for. */
  readonly id: string;
  readonly kind: string;
  readonly payload: unknown;
  /** The node that sent it, as its link or its signature proves. */
  readonly sender: Did;
  /** The agent that speaks, as the sender says. */
  readonly from: string | undefined;
  /** The agent it is for. */
  readonly to: string | undefined;
  /** Set for what was published to a topic. */
  readonly topic: string | undefined;
  /** Somebody waits for what the handler returns. */
  readonly wantsAnswer: boolean;
  /** Sent to everybody, kept by nobody. */
  readonly broadcast: boolean;
  readonly priority: Priority;
  /** More than 1 when it was delivered before and its handling did not end. */
  readonly attempt: number;
  readonly sentAtMs: number;
  readonly expiresAtMs: number;
}

/**
 * Handles messages of one kind. One-way messages of a sender and priority are handled in order, each when the one before
 * is done; what `transaction` collects is committed with the fact that it was handled. Requests are handled beside each
 * other without a transaction, and what is returned answers them; when the node dies on the way they are handled again.
 */
export type MessageConsumer = (message: Message, transaction: Transaction | undefined) => unknown;

/** Who of several receivers was reached. */
export interface MulticastReport {
  readonly reached: readonly Did[];
  readonly failed: readonly { readonly peer: Did; readonly code: string }[];
}

/** A request that is under way. */
export interface SentRequest {
  /** Names the request: also after a restart the answer is had by it. */
  readonly id: string;
  /** @throws {EasynetError} what the receiver's handler threw, MESSAGE_UNKNOWN, DEADLINE_EXCEEDED, CANCELLED */
  readonly answer: Promise<unknown>;
}

export interface Messages {
  /** Starts taking messages and goes on with the requests that an earlier process left. */
  start(): Promise<void>;
  /** One handler per kind, for messages to the node. @throws {EasynetError} KIND_EXISTS */
  handle(kind: string, consumer: MessageConsumer): Disposable;
  /** Gets what is for an agent, and the kinds that nobody else handles. */
  receive(consumer: MessageConsumer): void;
  /**
   * Sends one message to a node.
   * @throws {EasynetError} PAYLOAD_INVALID, KIND_UNKNOWN (to a node, of a kind not defined here), BACKPRESSURE,
   * MESSAGE_TOO_LARGE, INVALID_ARGUMENT, STORAGE_FULL, NODE_STOPPING
   */
  send(to: Did, content: MessageContent): SentMessage;
  /** Sends a message and waits for what its handler returns. @throws {EasynetError} as {@link Messages.send}, OVERLOADED */
  request(to: Did, content: RequestContent): SentRequest;
  /** The answer to a request of `process` or `disk` durability, by id, also after a restart. @throws {EasynetError} ANSWER_UNKNOWN, or as {@link SentRequest.answer} */
  answer(id: string): Promise<unknown>;
  /** Sends one message to each of several nodes; whoever cannot be sent to does not stop the others. */
  multicast(to: readonly Did[], content: MulticastContent): Promise<MulticastReport>;
  /** Sends to every member of a topic as of now, this node included when it is one. */
  publish(topic: string, content: MulticastContent): Promise<MulticastReport>;
  /** Tells every node of the network once, over whoever passes it on; nothing is stored, nobody acknowledges. */
  broadcast(content: Pick<MessageContent, "kind" | "payload" | "from">): string;
  close(): void;
}

/** One message as it passes this node, for counters and live events. */
export interface MessageEvent {
  readonly direction: "sent" | "received" | "refused";
  readonly id: string;
  readonly kind: string;
  /** The other node. */
  readonly peer: Did;
  /** The agent it is for. */
  readonly to: string | undefined;
  /** Of a refusal: an error code, or `expired`, `failed`, `unexpected-answer`. */
  readonly reason?: string;
}

export type MessageObserver = (event: MessageEvent) => void;
