import type { AgentHost } from "../agents/index.ts";
import type { Did } from "../identity/index.ts";
import { type Clock, EasynetError, isEasynetError, toEasynetError } from "../kernel/index.ts";
import {
  type KeptBridge,
  type Message,
  type Messages,
  type SentMessage,
  TOPIC_LENGTH_MAX,
  TOPICS_COUNT_MAX,
} from "../messaging/index.ts";
import type { AgentCard, NodeRecord, Priority } from "../model/index.ts";
import type { Directory, DirectoryNode } from "../state/index.ts";
import type { AgentContent, AgentHandle, BroadcastReport, SentReport } from "./types.ts";

/** How long a node that has just started waits for an agent to be offered again before it refuses its messages, ms. */
const START_GRACE_MS = 10_000;

/** Waited for by a message that no agent here handles so far. */
const ANY_AGENT = "";

/** A message of an agent, or of the node itself when `from` is absent. */
export interface AgentMessage extends AgentContent {
  readonly from: string | undefined;
}

/** Nodes whose agents are remembered after they left; the one heard of longest ago goes out. */
const REMEMBERED_COUNT_MAX = 1_000;

/** The part of an agent's handle that speaks. */
export type AgentVoice = Omit<AgentHandle, "did" | "refresh" | typeof Symbol.asyncDispose>;

interface Receiver {
  readonly node: Did;
  /** did of the agent; undefined for a message to the node. */
  readonly agent: string | undefined;
}

export interface AgentMessengerOptions {
  readonly directory: Directory;
  readonly messages: Messages;
  readonly host: AgentHost;
  readonly clock: Clock;
  /** Whether a kind was defined, so that it says for itself how durable it is. */
  readonly isDefined: (kind: string) => boolean;
  /** Wants the messages of its topics, beside the agents. */
  readonly bridge?: Pick<KeptBridge, "topics" | "forward"> | undefined;
  /** The topics of this node's agents changed: its entry must say so. */
  readonly onTopics: () => Promise<void>;
}

/** Messages from and to the agents of this node: finds receivers by name, and hands what comes to the agents. */
export class AgentMessenger {
  readonly #options: AgentMessengerOptions;
  /** dids of the agents of this node by topic. */
  readonly #topics = new Map<string, Set<string>>();
  /** Nodes of which the directory may know nothing any more: what is stored for them can still be addressed. */
  readonly #remembered = new Map<Did, NodeRecord>();
  readonly #here = new Set<string>();
  readonly #awaited = new Map<string, Set<() => void>>();
  #isStarting = true;

  constructor(options: AgentMessengerOptions) {
    this.#options = options;
    options.directory.on("node-changed", ({ did, record }) => this.#remember(did, record));
    options.messages.receive((message) => this.#receive(message));
    options.clock.setTimer(START_GRACE_MS, () => {
      this.#isStarting = false;
      for (const name of this.#awaited.keys()) this.#wake(name);
    });
  }

  /** The topics that agents of this node are in, and those that it mirrors. */
  topics(): readonly string[] {
    return [...new Set([...this.#topics.keys(), ...(this.#options.bridge?.topics ?? [])])];
  }

  /** An agent of this node can be reached from now on. */
  added(did: string): void {
    this.#here.add(did);
    this.#wake(did);
    this.#wake(ANY_AGENT);
  }

  /** An agent of this node was taken back; it leaves its topics. */
  removed(did: string): void {
    this.#here.delete(did);
    for (const topic of this.#topics.keys()) this.#drop(topic, did);
  }

  /** What an agent of this node can say. */
  of(did: string): AgentVoice {
    const { messages } = this.#options;
    return {
      sendMessage: async (to, content) => {
        const report = await this.send(to, { ...content, from: did });
        return report.state === "answered" ? report.answer : report;
      },
      broadcast: (content) => this.#broadcast({ ...content, from: did }),
      announce: ({ kind, payload }) => messages.broadcast({ kind, payload, from: did }),
      joinTopic: (topic) => this.#join(topic, did),
      leaveTopic: (topic) => this.#leave(topic, did),
      publish: (topic, content) => this.#publish(topic, { ...content, from: did }),
      peers: () => this.#peersOf(did),
    };
  }

  /**
   * @returns what was waited for
   * @throws {EasynetError} NO_CAPABLE_AGENT, PAYLOAD_INVALID, MESSAGE_TOO_LARGE, BACKPRESSURE, DEADLINE_EXCEEDED, or what the
   * receiver's handler threw
   */
  async send(to: string, message: AgentMessage): Promise<SentReport> {
    return this.#sendTo(this.#find(to, message), message);
  }

  /** To every agent in reach but the sender, each with an outcome of its own. */
  async #broadcast(message: AgentMessage): Promise<BroadcastReport> {
    const delivered: string[] = [];
    const failed: { agent: string; code: string }[] = [];
    const receivers = this.#receivers().filter(({ card, isAlive }) => isAlive && card.id !== message.from);
    await Promise.all(
      receivers.map(async ({ node, card: { id } }) => {
        try {
          await this.#sendTo({ node: node.did, agent: id }, message);
          delivered.push(id);
        } catch (thrown) {
          failed.push({ agent: id, code: toEasynetError(thrown).code });
        }
      }),
    );
    return { delivered, failed };
  }

  /** To the members of a topic as of now. */
  async #publish(topic: string, message: AgentMessage): Promise<BroadcastReport> {
    const { kind, payload, from, durability, signed, priority, timeoutMs: expiresInMs } = message;
    const wait = message.wait === "acknowledged" ? "acknowledged" : "stored";
    const content = { kind, payload, from, durability, signed, priority, expiresInMs, wait } as const;
    const { reached, failed } = await this.#options.messages.publish(topic, content);
    return { delivered: reached, failed: failed.map(({ peer, code }) => ({ agent: peer, code })) };
  }

  /** @throws {EasynetError} INVALID_ARGUMENT, OVERLOADED */
  async #join(topic: string, did: string): Promise<void> {
    if (topic.length === 0 || topic.length > TOPIC_LENGTH_MAX) {
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The topic", reason: "it has 1 to 120 characters" });
    }
    const members = this.#topics.get(topic);
    if (members) return void members.add(did);
    const known = this.topics();
    if (known.length >= TOPICS_COUNT_MAX && !known.includes(topic)) {
      throw new EasynetError("OVERLOADED", { subject: "The list of topics", queued: known.length });
    }
    this.#topics.set(topic, new Set([did]));
    this.#wake(topic);
    await this.#options.onTopics();
  }

  async #leave(topic: string, did: string): Promise<void> {
    if (this.#drop(topic, did)) await this.#options.onTopics();
  }

  #peersOf(agent: string): readonly AgentCard[] {
    return this.#receivers().flatMap(({ card, isAlive }) => (isAlive && card.id !== agent ? [card] : []));
  }

  /** True when nobody here is in the topic any more. */
  #drop(topic: string, did: string): boolean {
    const members = this.#topics.get(topic);
    if (members?.delete(did) !== true || members.size > 0) return false;
    this.#topics.delete(topic);
    return true;
  }

  /** Every agent in the directory, those in reach first. */
  #receivers(): { readonly node: DirectoryNode; readonly card: AgentCard; readonly isAlive: boolean }[] {
    const all = this.#options.directory
      .nodes()
      .flatMap((node) => node.record.cards.map(({ card }) => ({ node, card, isAlive: node.status === "alive" })));
    return all.toSorted((one, other) => Number(other.isAlive) - Number(one.isAlive));
  }

  /** Who is away gets what is stored for it; what is not stored needs somebody in reach. */
  #find(to: string, message: AgentMessage): Receiver {
    const canWait = message.wait === "stored" || (message.durability ?? "volatile") !== "volatile";
    const found = this.#receivers().find(
      ({ card, isAlive }) => (isAlive || canWait) && (card.id === to || card.name === to),
    );
    if (found) return { node: found.node.did, agent: found.card.id };
    const node = this.#options.directory.nodes().find(({ did, record }) => did === to || record.name === to);
    if (node && (node.status === "alive" || canWait)) return { node: node.did, agent: undefined };
    const away = canWait ? this.#recall(to) : undefined;
    if (away) return away;
    throw new EasynetError("NO_CAPABLE_AGENT", { capability: to });
  }

  #remember(did: Did, record: NodeRecord): void {
    this.#remembered.delete(did);
    this.#remembered.set(did, record);
    const oldest = this.#remembered.keys().next();
    if (this.#remembered.size > REMEMBERED_COUNT_MAX && !oldest.done) this.#remembered.delete(oldest.value);
  }

  #recall(to: string): Receiver | undefined {
    for (const [node, { name, cards }] of this.#remembered) {
      const found = cards.find(({ card }) => card.id === to || card.name === to);
      if (found) return { node, agent: found.card.id };
      if (name === to || node === to) return { node, agent: undefined };
    }
    return undefined;
  }

  async #sendTo(receiver: Receiver, message: AgentMessage): Promise<SentReport> {
    const { messages, isDefined } = this.#options;
    const { kind, payload, id, signed, priority, timeoutMs, wait = "answer" } = message;
    const from = message.from;
    const own = wait === "answer" ? ("volatile" as const) : undefined;
    const durability = message.durability ?? (isDefined(kind) ? undefined : own);
    const content = { kind, payload, id, signed, from, to: receiver.agent, priority, durability };
    if (wait === "answer") {
      const request = messages.request(receiver.node, { ...content, timeoutMs });
      return { id: request.id, node: receiver.node, state: "answered", answer: await request.answer };
    }
    const sent: SentMessage = messages.send(receiver.node, { ...content, expiresInMs: timeoutMs });
    await (wait === "stored" ? sent.stored : sent.acknowledged);
    return { id: sent.id, node: receiver.node, state: wait };
  }

  async #receive(message: Message): Promise<unknown> {
    const { host } = this.#options;
    if (message.topic !== undefined) return this.#receiveOf(message.topic, message);
    if (message.broadcast) {
      const willing = host.agents().filter((agent) => agent.messageHandler?.(message.kind) !== undefined);
      await Promise.all(willing.map((agent) => host.deliver({ ...requestOf(message), agentName: agent.name })));
      return undefined;
    }
    if (message.to !== undefined && !this.#here.has(message.to)) await this.#waitFor(message.to);
    return this.#deliver(message, message.to);
  }

  /** For the members of a topic here, and for who mirrors it: neither waits for the other. */
  async #receiveOf(topic: string, message: Message): Promise<void> {
    const { bridge } = this.#options;
    const isMirrored = bridge?.topics.includes(topic) === true;
    if (!this.#topics.has(topic) && !isMirrored) await this.#waitFor(topic);
    const { id, kind, payload, from = message.sender } = message;
    const members = [...(this.#topics.get(topic) ?? [])];
    await Promise.all([
      ...(isMirrored ? [bridge.forward({ id, kind, topic, payload, from })] : []),
      ...members.map((agent) => this.#deliver(message, agent)),
    ]);
  }

  /** A one-way message that nobody handles yet waits for the agents of a node that starts; for a request its asker can. */
  async #deliver(message: Message, agentDid: string | undefined): Promise<unknown> {
    for (;;) {
      try {
        return await this.#options.host.deliver({ ...requestOf(message), agentDid });
      } catch (error) {
        if (message.wantsAnswer || !this.#isStarting || !isEasynetError(error, "MESSAGE_UNKNOWN")) throw error;
        await this.#waitFor(ANY_AGENT);
      }
    }
  }

  /** After a start messages may come before the agents, or the members of a topic, that they are for. */
  async #waitFor(name: string): Promise<void> {
    if (!this.#isStarting) return;
    await new Promise<void>((resolve) => {
      const waiting = this.#awaited.get(name) ?? new Set();
      waiting.add(resolve);
      this.#awaited.set(name, waiting);
    });
  }

  #wake(name: string): void {
    const waiting = this.#awaited.get(name);
    this.#awaited.delete(name);
    for (const resolve of waiting ?? []) resolve();
  }
}

function requestOf({ id, kind, payload, sender, from, priority, wantsAnswer, expiresAtMs }: Message): {
  readonly id: string;
  readonly kind: string;
  readonly payload: unknown;
  readonly from: string;
  readonly priority: Priority;
  readonly deadlineAtMs?: number;
} {
  const about = { id, kind, payload, from: from ?? sender, priority };
  return wantsAnswer ? { ...about, deadlineAtMs: expiresAtMs } : about;
}
