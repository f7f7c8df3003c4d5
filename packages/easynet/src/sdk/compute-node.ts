import {
  type Agent,
  type FunctionAgent,
  functionAgent,
  type FunctionOptions,
  type MessageHandler,
  type SharedFunction,
  type WorkerFunction,
} from "../agents/index.ts";
import { backoffMs, EasynetError, isEasynetError, systemRandom } from "../kernel/index.ts";
import type { KindDefinition } from "../messaging/index.ts";
import type { AgentCard } from "../model/index.ts";
import type { BroadcastReport } from "../node/index.ts";
import type { NodeAccess, OfferedAgent } from "./node-access.ts";
import { type NodeOptions, openAccess } from "./open-access.ts";
import { type StateAccess, stateThrough } from "./state-access.ts";
import { type MessageOptions, type SendArguments, Voice } from "./voice.ts";

export interface ComputeNodeOptions extends NodeOptions {
  /** Name of the agent under which the functions are offered. @default "functions-" and the process id */
  readonly agent?: string;
  readonly description?: string;
}

/** What `serve` came to. */
export interface Serving {
  readonly did: string;
  /** Name of the node that offers the functions. */
  readonly name: string;
  /** True when the node runs in this process. */
  readonly embedded: boolean;
  readonly functions: readonly string[];
}

const RECONNECT = { baseMs: 100, capMs: 5_000 };

/**
 * Shares functions with every machine of the network.
 *
 * ```ts
 * const node = new ComputeNode();
 * node.register("add", (a: number, b: number) => a + b);
 * await node.serve();
 * ```
 */
export class ComputeNode implements AsyncDisposable {
  readonly #options: NodeOptions;
  readonly #agent: FunctionAgent;
  #access: NodeAccess | undefined;
  #offered: OfferedAgent | undefined;
  /** Named maps that members share; usable once this node serves. */
  readonly state: StateAccess = stateThrough(async () => this.#opened().state);
  readonly #voice = new Voice((name) => {
    return name === undefined ? this.#offered : this.#further.get(name)?.offered;
  });
  /** Agents beside the one of the functions. */
  readonly #further = new Map<string, { readonly agent: Agent; offered: OfferedAgent }>();
  #stopped = false;
  #refreshing: Promise<void> = Promise.resolve();

  constructor(options: ComputeNodeOptions = {}) {
    const { agent = `functions-${process.pid}`, description = "Functions of a program", ...nodeOptions } = options;
    this.#options = nodeOptions;
    this.#agent = functionAgent({ name: agent, description });
  }

  /**
   * Offers a function; may be called before and after `serve`. CPU-bound work goes into worker threads when given as
   * `{ module, export }`. @throws {EasynetError} CAPABILITY_EXISTS, INVALID_ARGUMENT
   */
  register(name: string, shared: SharedFunction | WorkerFunction, options: FunctionOptions = {}): this {
    this.#agent.register(name, shared, options);
    this.#changed();
    return this;
  }

  /** Takes a function back; calls that run go on. @throws {EasynetError} CAPABILITY_UNKNOWN */
  unregister(name: string): void {
    this.#agent.unregister(name);
    this.#changed();
  }

  /**
   * Offers a further agent of this process, of any driver, after `serve`; disposing takes it back.
   * @throws {EasynetError} AGENT_EXISTS; NODE_NOT_RUNNING before `serve`
   */
  async addAgent(agent: Agent): Promise<AsyncDisposable> {
    const offered = await this.#opened().offer(agent);
    this.#further.set(agent.name, { agent, offered });
    return {
      [Symbol.asyncDispose]: async () => {
        const further = this.#further.get(agent.name);
        if (further?.agent !== agent) return;
        this.#further.delete(agent.name);
        await ignoringLoss(async () => further.offered[Symbol.asyncDispose]());
      },
    };
  }

  /** Handles messages of one kind from other agents; what it returns travels back to the sender. */
  registerHandler(kind: string, handler: MessageHandler): this {
    this.#agent.registerHandler(kind, this.#voice.checked(kind, handler));
    this.#changed();
    return this;
  }

  /**
   * Declares a kind of message of the application's own: its payloads are checked here before they leave and before they
   * are handled. @throws {EasynetError} KIND_EXISTS, INVALID_ARGUMENT
   */
  defineKind(definition: KindDefinition): this {
    this.#voice.kinds.define(definition);
    return this;
  }

  /**
   * Sends a message to another agent or a node, by name or did; resolves with what its handler returned, or with what
   * became of it when `options.wait` asks for less.
   * @throws {EasynetError} NO_CAPABLE_AGENT, MESSAGE_UNKNOWN, PAYLOAD_INVALID, DEADLINE_EXCEEDED; NODE_NOT_RUNNING before `serve`
   */
  async sendMessage(...[to, kind, payload, options]: SendArguments): Promise<unknown> {
    return this.#voice.send(to, { ...options, kind, payload });
  }

  /** Sends to every other agent in reach; tells who got it and who did not. */
  async broadcast(kind: string, payload?: unknown, options: MessageOptions = {}): Promise<BroadcastReport> {
    return this.#voice.broadcast({ ...options, kind, payload });
  }

  /** Tells every node of the network once, without asking who got it. @returns the message's id */
  async announce(kind: string, payload?: unknown): Promise<string> {
    return this.#voice.announce({ kind, payload });
  }

  /** From now on handlers also get what is published to a topic; until `leaveTopic` or `stop`. */
  async joinTopic(topic: string): Promise<void> {
    return this.#voice.join(topic);
  }

  async leaveTopic(topic: string): Promise<void> {
    return this.#voice.leave(topic);
  }

  /** Sends to the members of a topic as of now; tells which nodes it was stored for. */
  async publish(...[topic, kind, payload, options]: SendArguments): Promise<BroadcastReport> {
    return this.#voice.publish(topic, { ...options, kind, payload });
  }

  /** The cards of the other agents in reach. */
  async peers(): Promise<readonly AgentCard[]> {
    return this.#voice.peers();
  }

  /**
   * Joins the network and offers the functions; resolves when they can be called. Uses the node that runs on this
   * machine, or starts one in this process. @throws {EasynetError} PORT_IN_USE, MEMBERSHIP_INVALID, CONFIG_INVALID
   */
  async serve(): Promise<Serving> {
    if (this.#stopped) throw new EasynetError("NODE_STOPPING", {});
    const access = await this.#connect();
    const { did, name, embedded } = access;
    return { did, name, embedded, functions: this.#agent.capabilities().map((capability) => capability.name) };
  }

  /** Takes the functions back and leaves; running calls get a moment to end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const access = this.#access;
    this.#access = undefined;
    for (const { offered } of this.#further.values()) await ignoringLoss(async () => offered[Symbol.asyncDispose]());
    await ignoringLoss(async () => this.#offered?.[Symbol.asyncDispose]());
    this.#further.clear();
    this.#offered = undefined;
    await access?.close();
    await this.#agent.close?.();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #opened(): NodeAccess {
    if (!this.#access) throw new EasynetError("NODE_NOT_RUNNING", { home: "this process; call serve() first" });
    return this.#access;
  }

  async #connect(): Promise<NodeAccess> {
    if (this.#access) return this.#access;
    const access = await openAccess(this.#options);
    this.#offered = await access.offer(this.#agent);
    for (const further of this.#further.values()) further.offered = await access.offer(further.agent);
    await this.#voice.joinAgain(this.#offered);
    this.#access = access;
    access.onClosed(() => this.#lost(access));
    return access;
  }

  /** The node of this machine went away without us: find the next one, or become it. */
  #lost(access: NodeAccess): void {
    if (this.#stopped || this.#access !== access) return;
    this.#access = undefined;
    this.#offered = undefined;
    if (access.embedded) return;
    void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    for (let attempt = 0; !this.#stopped; attempt++) {
      try {
        await this.#connect();
        return;
      } catch {
        // The port may still be closing or another process may be taking over: the next try tells.
        await new Promise<void>((resolve) => {
          setTimeout(resolve, 50 + backoffMs(attempt, RECONNECT, systemRandom));
        });
      }
    }
  }

  /** Publishes once for all registrations of the same moment. */
  #changed(): void {
    if (!this.#offered) return;
    const offered = this.#offered;
    this.#refreshing = this.#refreshing.then(() => ignoringLoss(() => offered.refresh()));
  }
}

/** A node that is gone has taken everything back already. */
async function ignoringLoss(work: () => Promise<void> | Promise<undefined>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isEasynetError(error)) throw error;
  }
}
