import type { MessageHandler } from "../agents/index.ts";
import { EasynetError } from "../kernel/index.ts";
import { KindRegistry } from "../messaging/index.ts";
import type { AgentCard } from "../model/index.ts";
import type { AgentContent, BroadcastReport } from "../node/index.ts";
import type { OfferedAgent } from "./node-access.ts";

/** How a message is sent; what is absent its kind decides. */
export interface MessageOptions extends Omit<AgentContent, "kind" | "payload"> {
  /** Name of an agent of this process that speaks. @default the one that holds its functions */
  readonly from?: string;
}

/** What is sent, and by which agent of this process. */
interface Spoken extends AgentContent, Pick<MessageOptions, "from"> {}

/** To whom or which topic, what kind, and what it says. */
export type SendArguments = readonly [to: string, kind: string, payload?: unknown, options?: MessageOptions];

/** What an agent of this process says to others: checked by the kinds that the process declared, then sent. */
export class Voice {
  readonly kinds = new KindRegistry();
  readonly #offered: (name: string | undefined) => OfferedAgent | undefined;
  readonly #topics = new Set<string>();

  /** @param offered an agent of this process by name, its own one without */
  constructor(offered: (name: string | undefined) => OfferedAgent | undefined) {
    this.#offered = offered;
  }

  /** A handler that gets only payloads that are what their kind says. */
  checked(kind: string, handler: MessageHandler): MessageHandler {
    return (message, context) => {
      this.kinds.check(kind, message.payload);
      return handler(message, context);
    };
  }

  async send(to: string, spoken: Spoken): Promise<unknown> {
    return this.#agent(spoken.from).sendMessage(to, this.#completed(spoken));
  }

  async broadcast(spoken: Spoken): Promise<BroadcastReport> {
    return this.#agent(spoken.from).broadcast(this.#completed(spoken));
  }

  async announce(spoken: Spoken): Promise<string> {
    return this.#agent(spoken.from).announce(this.#completed(spoken));
  }

  async publish(topic: string, spoken: Spoken): Promise<BroadcastReport> {
    return this.#agent(spoken.from).publish(topic, this.#completed(spoken));
  }

  async join(topic: string): Promise<void> {
    await this.#agent().joinTopic(topic);
    this.#topics.add(topic);
  }

  async leave(topic: string): Promise<void> {
    this.#topics.delete(topic);
    await this.#agent().leaveTopic(topic);
  }

  /** The node changed under us: the next one has to know the topics too. */
  async joinAgain(offered: Pick<OfferedAgent, "joinTopic">): Promise<void> {
    for (const topic of this.#topics) await offered.joinTopic(topic);
  }

  async peers(): Promise<readonly AgentCard[]> {
    return this.#agent().peers();
  }

  #agent(name?: string): OfferedAgent {
    const offered = this.#offered(name);
    if (offered) return offered;
    if (name !== undefined && this.#offered(undefined))
      throw new EasynetError("NO_CAPABLE_AGENT", { capability: name });
    throw new EasynetError("NODE_NOT_RUNNING", { home: "this process; call serve() first" });
  }

  /** What the kind decides; the node knows only those that it defined itself. @throws {EasynetError} PAYLOAD_INVALID */
  #completed({ from: _from, ...content }: Spoken): AgentContent {
    const { kind, payload } = content;
    this.kinds.check(kind, payload);
    const known = this.kinds.get(kind);
    if (!known) return content;
    const { durability = known.durability, priority = known.priority } = content;
    const waits = (content.wait ?? "answer") === "answer";
    return {
      ...content,
      durability,
      priority,
      timeoutMs: content.timeoutMs ?? (waits ? undefined : known.expiresInMs),
    };
  }
}
