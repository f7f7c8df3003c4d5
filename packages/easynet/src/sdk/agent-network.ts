import type { Agent, MessageHandler } from "../agents/index.ts";
import type { KindDefinition } from "../messaging/index.ts";
import type { AgentCard } from "../model/index.ts";
import type { BroadcastReport } from "../node/index.ts";
import { DEFAULT_SPACE_NAME, type DistributedState } from "../state/index.ts";
import { ComputeNode, type ComputeNodeOptions, type Serving } from "./compute-node.ts";
import type { StateAccess } from "./state-access.ts";
import type { MessageOptions, SendArguments } from "./voice.ts";

/**
 * A network of agents that talk: join it, register agents, send messages, leave it. The node of this machine carries
 * them, or one in this process when none runs.
 *
 * ```ts
 * await using network = new AgentNetwork({ agent: "scribe" });
 * network.onMessage("note", ({ payload }) => ({ noted: payload }));
 * await network.joinNetwork();
 * const answer = await network.sendMessage("archivist", "query", { query: "notes of May" });
 * ```
 */
export class AgentNetwork implements AsyncDisposable {
  readonly #node: ComputeNode;

  /** @param options where the node is, and the name under which this process itself speaks and is spoken to */
  constructor(options: ComputeNodeOptions = {}) {
    this.#node = new ComputeNode(options);
  }

  /**
   * Joins the network that this machine is a member of (`easynet join CODE` makes it one; without any, a new network).
   * @throws {EasynetError} PORT_IN_USE, MEMBERSHIP_INVALID, CONFIG_INVALID
   */
  async joinNetwork(): Promise<Pick<Serving, "did" | "name" | "embedded">> {
    const { did, name, embedded } = await this.#node.serve();
    return { did, name, embedded };
  }

  /** Offers an agent to the network; disposing takes it back. @throws {EasynetError} AGENT_EXISTS, NODE_NOT_RUNNING */
  async registerAgent(agent: Agent): Promise<AsyncDisposable> {
    return this.#node.addAgent(agent);
  }

  /** Declares a kind of message of the application's own. @throws {EasynetError} KIND_EXISTS, INVALID_ARGUMENT */
  defineKind(definition: KindDefinition): this {
    this.#node.defineKind(definition);
    return this;
  }

  /** Handles messages of one kind; what it returns answers the sender. Before or after `joinNetwork`. */
  onMessage(kind: string, handler: MessageHandler): this {
    this.#node.registerHandler(kind, handler);
    return this;
  }

  /**
   * Sends a message to an agent or node, by name or did; resolves with what its handler returned, or with what became of
   * it when `options.wait` asks for less.
   * @throws {EasynetError} as {@link ComputeNode.sendMessage}
   */
  async sendMessage(...message: SendArguments): Promise<unknown> {
    return this.#node.sendMessage(...message);
  }

  /** Sends to every other agent in reach; tells who got it and who did not. */
  async broadcastMessage(kind: string, payload?: unknown, options: MessageOptions = {}): Promise<BroadcastReport> {
    return this.#node.broadcast(kind, payload, options);
  }

  /** Named maps that members share; usable once this network was joined. */
  get state(): StateAccess {
    return this.#node.state;
  }

  /**
   * Brings a key up to date with every replica in reach, after writing `data` to it if there is some, and tells what it is
   * then and who wrote it.
   *
   * ```ts
   * const { data, vectorClock } = await network.syncState("plan", { data: { step: 2 } });
   * ```
   * @throws {EasynetError} STATE_TOO_STALE when a replica does not answer; what was written stays written
   */
  async syncState(
    key: string,
    { data, space = DEFAULT_SPACE_NAME }: { readonly data?: unknown; readonly space?: string } = {},
  ): Promise<DistributedState> {
    if (data !== undefined) await this.state.put(key, data, { space });
    await this.state.sync({ space });
    return this.state.record(key, { space });
  }

  /** The cards of the other agents in reach. */
  async agents(): Promise<readonly AgentCard[]> {
    return this.#node.peers();
  }

  /** Takes the agents back and lets go of the network; the machine stays a member. */
  async leaveNetwork(): Promise<void> {
    await this.#node.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leaveNetwork();
  }
}
