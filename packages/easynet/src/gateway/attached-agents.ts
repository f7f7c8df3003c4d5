import { EasynetError, toEasynetError } from "../kernel/index.ts";
import {
  type AgentHandle,
  type EasynetNode,
  LOCAL_LIMITS,
  type NodeMessage,
  type ProcessMessage,
} from "../node/index.ts";
import { AttachedAgent } from "./attached-agent.ts";
import type { Invocations } from "./invocations.ts";

type Register = Extract<ProcessMessage, { type: "register" }>;
type Unregister = Extract<ProcessMessage, { type: "unregister" }>;
type Ask = Extract<ProcessMessage, { type: "message" | "announce" | "topic" | "peers" }>;

export interface AttachedAgentsOptions {
  readonly node: EasynetNode;
  /** Names that attached processes have taken, shared by all connections. */
  readonly names: Set<string>;
  readonly invocations: Invocations;
  readonly send: (message: NodeMessage) => void;
}

interface Offered {
  readonly agent: AttachedAgent;
  readonly handle: AgentHandle;
}

/** The agents that one connection offers; all are taken back when it closes. */
export class AttachedAgents {
  readonly #options: AttachedAgentsOptions;
  readonly #offered = new Map<string, Offered>();
  /** Agents offered or about to be. */
  #count = 0;
  #closed = false;

  constructor(options: AttachedAgentsOptions) {
    this.#options = options;
  }

  /** Answers `registered`, `unregistered`, `answered` or `refused`; never throws. */
  async handle(message: Register | Unregister | Ask): Promise<void> {
    const { send } = this.#options;
    try {
      if (message.type === "register") send(await this.#register(message));
      else if (message.type === "unregister") send(await this.#unregister(message));
      else send({ type: "answered", request: message.request, value: await this.#ask(message) });
    } catch (error) {
      send({ type: "refused", request: message.request, error: toEasynetError(error).toJSON() });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#offered.keys()].map((name) => this.#takeBack(name)));
  }

  async #register(message: Register): Promise<NodeMessage> {
    const { node, names } = this.#options;
    const own = message.agent === undefined ? undefined : this.#offered.get(message.agent);
    if (own) return this.#replace(own, message);
    if (this.#count >= LOCAL_LIMITS.agentsMax) {
      throw new EasynetError("OVERLOADED", { subject: "This connection", queued: this.#count });
    }
    const name = message.agent ?? freeName(names);
    if (names.has(name)) throw new EasynetError("AGENT_EXISTS", { agent: name });
    const agent = new AttachedAgent({
      name,
      agentType: message.agentType ?? "function",
      description: message.description ?? "",
      functions: message.functions,
      handles: message.handles ?? [],
      invocations: this.#options.invocations,
      send: this.#options.send,
    });
    names.add(name);
    this.#count += 1;
    try {
      const handle = await node.addAgent(agent);
      this.#offered.set(name, { agent, handle });
      if (this.#closed) await this.#takeBack(name);
      return { type: "registered", request: message.request, agent: name, did: handle.did };
    } catch (error) {
      this.#release(name);
      throw error;
    }
  }

  /** The same agent with other functions: nothing that runs is disturbed. */
  async #replace({ agent, handle }: Offered, message: Register): Promise<NodeMessage> {
    agent.replace(message.functions, message.handles ?? []);
    await handle.refresh();
    return { type: "registered", request: message.request, agent: agent.name, did: handle.did };
  }

  /** What one of the connection's agents says to others, or asks about them. */
  async #ask(message: Ask): Promise<unknown> {
    const { handle } = this.#own(message);
    if (message.type === "peers") return handle.peers();
    if (message.type === "announce") return handle.announce(message);
    if (message.type === "topic") {
      return message.action === "join" ? handle.joinTopic(message.topic) : handle.leaveTopic(message.topic);
    }
    const { to, topic, kind, payload, id, wait, durability, signed, priority, timeoutMs } = message;
    const content = { kind, payload, id, wait, durability, signed, priority, timeoutMs };
    if (topic !== undefined) return handle.publish(topic, content);
    return to === undefined ? handle.broadcast(content) : handle.sendMessage(to, content);
  }

  #own(message: Unregister | Ask): Offered {
    const own = this.#offered.get(message.agent);
    if (own) return own;
    throw new EasynetError("INVALID_ARGUMENT", {
      subject: `The ${message.type} message`,
      reason: "this connection does not offer that agent",
    });
  }

  async #unregister(message: Unregister): Promise<NodeMessage> {
    this.#own(message);
    await this.#takeBack(message.agent);
    return { type: "unregistered", request: message.request };
  }

  async #takeBack(name: string): Promise<void> {
    const offered = this.#offered.get(name);
    this.#offered.delete(name);
    try {
      await offered?.handle[Symbol.asyncDispose]();
    } finally {
      this.#release(name);
    }
  }

  #release(name: string): void {
    if (this.#options.names.delete(name)) this.#count -= 1;
  }
}

function freeName(names: ReadonlySet<string>): string {
  let number = 1;
  while (names.has(`process-${number}`)) number += 1;
  return `process-${number}`;
}
