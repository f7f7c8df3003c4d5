import type { Did, KeyPair } from "../../identity/index.ts";
import {
  type Clock,
  createId,
  EasynetError,
  type Logger,
  type Metrics,
  type Random,
  toEasynetError,
} from "../../kernel/index.ts";
import type { Gossip } from "../../mesh/index.ts";
import type { Store } from "../../storage/index.ts";
import type { Artifacts } from "../artifacts/types.ts";
import type { Delivery, OutgoingMessage, SentMessage, Transaction } from "../delivery/types.ts";
import { answerMessage, checkedAnswer } from "./answer-message.ts";
import { AwaitedAnswers } from "./awaited-answers.ts";
import { type Body, decodeBody, encodeBody, isAnswer, isReference, isRequest, isTopic } from "./body-codec.ts";
import { type Broadcast, Broadcasts } from "./broadcasts.ts";
import type { KindRegistry } from "./kinds.ts";
import { LargeBodies } from "./large-bodies.ts";
import { ANSWER_LIFE_MS, RECEIVERS_COUNT_MAX, REQUEST_TIMEOUT_MS } from "./limits.ts";
import { OpenRequests } from "./open-requests.ts";
import { OwnMessages } from "./own-messages.ts";
import type { Received } from "./received.ts";
import type {
  Message,
  MessageContent,
  MessageConsumer,
  MessageObserver,
  Messages,
  MulticastContent,
  MulticastReport,
  RequestContent,
  SentRequest,
} from "./types.ts";

const BROADCAST_LIFE_MS = 60_000;

export interface MessagesOptions {
  readonly keyPair: KeyPair;
  readonly delivery: Delivery;
  readonly gossip: Gossip;
  readonly store: Store;
  /** Bodies that are too large for a message. */
  readonly artifacts: Pick<Artifacts, "put" | "fetch" | "open">;
  readonly kinds: KindRegistry;
  /** The nodes in a topic as far as this node knows now. */
  readonly membersOf: (topic: string) => readonly Did[];
  /** Told of every message that is sent, comes, or is refused. */
  readonly observe?: MessageObserver;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** One-way messages, requests, multicast, topics and broadcast of typed kinds, over the delivery between nodes. */
export function createMessages(options: MessagesOptions): Messages {
  return new MessagesService(options);
}

class MessagesService implements Messages {
  readonly #options: MessagesOptions;
  readonly #self: Did;
  readonly #answers: AwaitedAnswers;
  readonly #requests: OpenRequests;
  readonly #own: OwnMessages;
  readonly #bodies: LargeBodies;
  readonly #broadcasts: Broadcasts;
  readonly #consumers = new Map<string, MessageConsumer>();
  #fallback: MessageConsumer = ({ kind }) => {
    throw new EasynetError("MESSAGE_UNKNOWN", { agent: "This node", kind });
  };

  constructor(options: MessagesOptions) {
    this.#options = options;
    this.#self = options.keyPair.did;
    this.#answers = new AwaitedAnswers(options);
    this.#bodies = new LargeBodies(options);
    this.#requests = new OpenRequests({
      ...options,
      handle: (received) => this.#handleRequest(received),
      answerTo: (received, answer) => answerMessage(received, answer, options),
      isLarge: (message) => this.#bodies.isLarge(message),
      send: (to, message) => this.#route(to, message),
    });
    this.#own = new OwnMessages({
      ...options,
      self: this.#self,
      handle: (received, transaction) => this.#receiveOwn(received, transaction),
      send: (to, message) => this.#route(to, message),
      onDropped: (received, reason) => this.#refused(received, reason),
    });
    this.#broadcasts = new Broadcasts({
      ...options,
      deliver: (broadcast) => void this.#onBroadcast(broadcast),
      onRefused: (reason) => options.metrics.count("easynet_broadcasts_refused_total", { reason }),
    });
  }

  async start(): Promise<void> {
    const { delivery, clock } = this.#options;
    await this.#answers.load();
    await this.#requests.resume(clock.nowMs());
    this.#own.start();
    delivery.handle((received, transaction) => this.#receive(received, transaction));
  }

  handle(kind: string, consumer: MessageConsumer): Disposable {
    if (this.#consumers.has(kind)) throw new EasynetError("KIND_EXISTS", { kind });
    this.#consumers.set(kind, consumer);
    return { [Symbol.dispose]: () => void this.#consumers.delete(kind) };
  }

  receive(consumer: MessageConsumer): void {
    this.#fallback = consumer;
  }

  send(to: Did, content: MessageContent): SentMessage {
    this.#check(content, content.to !== undefined);
    return this.#send(to, this.#outgoing(content, { form: "one-way", value: content.payload }));
  }

  request(to: Did, content: RequestContent): SentRequest {
    const { timeoutMs = REQUEST_TIMEOUT_MS, signal, ...rest } = content;
    const { kind, payload } = rest;
    this.#check(content, content.to !== undefined);
    const id = content.id ?? createId(this.#options.clock.nowMs());
    const answers = this.#answers;
    const sent: SentRequest = {
      id,
      get answer() {
        return answers.wait(id, signal);
      },
    };
    if (answers.has(id, to)) return sent;
    const message = { ...this.#outgoing({ ...rest, expiresInMs: timeoutMs }, { form: "request", value: payload }), id };
    answers.open(id, {
      peer: to,
      subject: `The request ${kind}`,
      timeoutMs,
      durable: message.durability !== "volatile",
    });
    try {
      this.#send(to, message, (error) => answers.fail(id, error.toJSON()));
    } catch (error) {
      answers.drop(id);
      throw error;
    }
    return sent;
  }

  async answer(id: string): Promise<unknown> {
    return this.#answers.wait(id);
  }

  async multicast(to: readonly Did[], content: MulticastContent): Promise<MulticastReport> {
    this.#check(content, content.to !== undefined);
    return this.#sendToEach(to, this.#outgoing(content, { form: "one-way", value: content.payload }), content.wait);
  }

  async publish(topic: string, content: MulticastContent): Promise<MulticastReport> {
    if (!isTopic(topic)) {
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The topic", reason: "it has 1 to 120 characters" });
    }
    this.#check(content, true);
    const message = this.#outgoing(content, { form: "topic", topic, value: content.payload });
    return this.#sendToEach(this.#options.membersOf(topic), message, content.wait);
  }

  broadcast(content: Pick<MessageContent, "kind" | "payload" | "from">): string {
    const { kind, payload, from } = content;
    this.#check(content, true);
    const id = this.#broadcasts.publish(kind, payload, from);
    this.#count("sent", kind);
    return id;
  }

  close(): void {
    this.#bodies.close();
    this.#own.close();
    this.#answers.close();
  }

  /** A node gets only kinds that this node knows too; what agents say to one another they may have agreed on. */
  #check({ kind, payload }: Pick<MessageContent, "kind" | "payload">, toAgents: boolean): void {
    const { kinds } = this.#options;
    if (!toAgents) kinds.require(kind);
    kinds.check(kind, payload);
  }

  #outgoing(content: MessageContent, body: Body): OutgoingMessage {
    const { kind, durability, signed = false, priority, expiresInMs, from, to, cause, id } = content;
    const known = this.#options.kinds.get(kind);
    return {
      kind,
      payload: encodeBody(body),
      durability: durability ?? known?.durability ?? "disk",
      priority: priority ?? known?.priority ?? "normal",
      expiresInMs: expiresInMs ?? known?.expiresInMs ?? ANSWER_LIFE_MS,
      ...(signed && { signed }),
      ...(id !== undefined && { id }),
      ...(from !== undefined && { from }),
      ...(to !== undefined && { to }),
      ...(cause !== undefined && { cause }),
    };
  }

  #send(to: Did, message: OutgoingMessage, onFailed?: (error: EasynetError) => void): SentMessage {
    const sent = this.#route(to, message, onFailed);
    this.#count("sent", message.kind);
    this.#options.observe?.({ direction: "sent", id: sent.id, kind: message.kind, peer: to, to: message.to });
    return sent;
  }

  #route(to: Did, message: OutgoingMessage, onFailed?: (error: EasynetError) => void): SentMessage {
    const send = (whole: OutgoingMessage): SentMessage =>
      to === this.#self ? this.#own.send(whole) : this.#options.delivery.send(to, whole);
    return this.#bodies.send(to, message, { send, onFailed });
  }

  async #sendToEach(
    to: readonly Did[],
    message: OutgoingMessage,
    wait: MulticastContent["wait"] = "stored",
  ): Promise<MulticastReport> {
    if (to.length > RECEIVERS_COUNT_MAX) {
      const reason = `${to.length} receivers, at most ${RECEIVERS_COUNT_MAX}`;
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The multicast", reason });
    }
    const reached: Did[] = [];
    const failed: { peer: Did; code: string }[] = [];
    await Promise.all(
      [...new Set(to)].map(async (peer) => {
        try {
          const sent = this.#send(peer, message);
          await (wait === "stored" ? sent.stored : sent.acknowledged);
          reached.push(peer);
        } catch (thrown) {
          failed.push({ peer, code: toEasynetError(thrown).code });
        }
      }),
    );
    return { reached, failed };
  }

  /** What arrived: an answer settles a request, a request is started, everything else is handled in its turn. */
  #receive(received: Received, transaction: Transaction): void | Promise<void> {
    this.#count("received", received.kind);
    if (!isAnswer(received.payload)) this.#observed(received);
    if (isRequest(received.payload)) return this.#requests.accept(received, transaction);
    if (!isReference(received.payload)) return this.#take(received, transaction);
    // What comes after an answer must not wait for its body; what is handled in its turn must.
    if (isAnswer(received.payload)) return this.#own.take(received);
    return this.#takeLarge(received, transaction);
  }

  /** Messages of this node to itself, and large answers of others. */
  #receiveOwn(received: Received, transaction: Transaction): void | Promise<void> {
    const isLargeAnswer = isAnswer(received.payload) && isReference(received.payload);
    return isLargeAnswer ? this.#takeLarge(received, transaction) : this.#receive(received, transaction);
  }

  async #takeLarge(received: Received, transaction: Transaction): Promise<void> {
    let whole: Received;
    try {
      whole = await this.#bodies.whole(received);
    } catch (thrown) {
      return this.#rethrow(received, thrown);
    }
    return this.#take(whole, transaction);
  }

  #take(received: Received, transaction: Transaction): void | Promise<void> {
    const body = this.#read(received);
    if (body.form === "answer" || body.form === "failure") return this.#onAnswer(received, body, transaction);
    try {
      const topic = body.form === "topic" ? body.topic : undefined;
      const done = this.#consume(this.#messageOf(received, body.value, { topic }), transaction);
      return done instanceof Promise
        ? done.then(undefined, (error: unknown) => this.#rethrow(received, error))
        : undefined;
    } catch (error) {
      return this.#rethrow(received, error);
    }
  }

  /** @throws {EasynetError} PAYLOAD_INVALID */
  #read(received: Received): Body {
    try {
      return decodeBody(received.kind, received.payload);
    } catch (error) {
      return this.#rethrow(received, error);
    }
  }

  /** Again later, by the delivery; counted each time. */
  #rethrow(received: Received, thrown: unknown): never {
    const error = toEasynetError(thrown);
    this.#refused(received, error.code);
    throw error;
  }

  #handleRequest(received: Received): unknown {
    if (isReference(received.payload)) return this.#bodies.whole(received).then((whole) => this.#answer(whole));
    return this.#answer(received);
  }

  #answer(received: Received): unknown {
    const body = decodeBody(received.kind, received.payload);
    if (body.form !== "request") throw new EasynetError("INTERNAL", { reason: "a stored request is none" });
    return this.#consume(this.#messageOf(received, body.value, { wantsAnswer: true }), undefined);
  }

  /** @throws {EasynetError} PAYLOAD_INVALID, MESSAGE_UNKNOWN, and what the handler throws */
  #consume(message: Message, transaction: Transaction | undefined): unknown {
    this.#options.kinds.check(message.kind, message.payload);
    const isForNode = message.to === undefined && message.topic === undefined;
    const consumer = (isForNode ? this.#consumers.get(message.kind) : undefined) ?? this.#fallback;
    return consumer(message, transaction);
  }

  #messageOf(received: Received, payload: unknown, meant: Partial<Pick<Message, "topic" | "wantsAnswer">>): Message {
    const { id, kind, sender, from, to, priority, attempt, sentAtMs, expiresAtMs } = received;
    const about = { id, kind, payload, sender, from, to, priority, attempt, sentAtMs, expiresAtMs };
    return { ...about, topic: meant.topic, wantsAnswer: meant.wantsAnswer ?? false, broadcast: false };
  }

  #onAnswer(received: Received, body: Extract<Body, { form: "answer" | "failure" }>, transaction: Transaction): void {
    const { correlationId: id = "", sender, kind } = received;
    const outcome =
      body.form === "failure" ? { error: body.error } : checkedAnswer(this.#options.kinds, kind, body.value);
    if (this.#answers.settle({ id, sender }, outcome, transaction)) return;
    this.#refused(received, "unexpected-answer");
  }

  async #onBroadcast({ id, sender, kind, payload, from, sentAtMs }: Broadcast): Promise<void> {
    const { clock, kinds, logger } = this.#options;
    const about = { id, kind, payload, sender, from, sentAtMs, expiresAtMs: clock.nowMs() + BROADCAST_LIFE_MS };
    const priority = kinds.get(kind)?.priority ?? "normal";
    const meant = { to: undefined, topic: undefined, wantsAnswer: false, broadcast: true, priority, attempt: 1 };
    this.#count("received", kind);
    this.#observed({ id, kind, sender, to: undefined });
    try {
      await this.#consume({ ...about, ...meant }, undefined);
    } catch (thrown) {
      // Nobody waits for it and nobody here has to want it.
      const { code } = toEasynetError(thrown);
      if (code !== "MESSAGE_UNKNOWN") logger.warn("a broadcast was not handled", { kind, sender, code });
      this.#refused({ id, kind, sender, to: undefined }, code);
    }
  }

  #observed(received: Pick<Received, "id" | "kind" | "sender" | "to">): void {
    const { id, kind, sender, to } = received;
    this.#options.observe?.({ direction: "received", id, kind, peer: sender, to });
  }

  #refused(received: Pick<Received, "id" | "kind" | "sender" | "to">, reason: string): void {
    const { kinds, metrics, observe } = this.#options;
    const { id, kind, sender, to } = received;
    metrics.count("easynet_messages_unhandled_total", { kind: kinds.label(kind), reason });
    observe?.({ direction: "refused", id, kind, peer: sender, to, reason });
  }

  #count(direction: "sent" | "received", kind: string): void {
    const { kinds, metrics } = this.#options;
    metrics.count("easynet_messages_total", { direction, kind: kinds.label(kind) });
  }
}
