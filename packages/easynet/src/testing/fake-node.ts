import { FakeArtifacts } from "./fake-artifacts.ts";
import { FakeConsensus } from "./fake-consensus.ts";
import type { Agent, AgentMessage, TaskContext } from "../agents/index.ts";
import { generateKeyPair, type KeyPair, parseDid } from "../identity/index.ts";
import { type Clock, createId, EasynetError, isEasynetError, silentLogger, systemClock } from "../kernel/index.ts";
import type { TaskReport } from "../messaging/index.ts";
import { KindRegistry } from "../messaging/index.ts";
import { type AgentCard, type Capability, capabilityWith, type NodeRecord } from "../model/index.ts";
import {
  type AgentContent,
  type AgentHandle,
  type BroadcastReport,
  type EasynetNode,
  type Finding,
  Invitations,
  type MembershipFile,
  type NodeEvent,
  type NodeMessages,
  type NodeStatusReport,
  type PeerReport,
  type TaskLists,
  type SentReport,
} from "../node/index.ts";
import { finding } from "../node/index.ts";
import type { CallRequest, RoutedEvent } from "../routing/index.ts";
import type { DirectoryNode, Offer, RunningDocuments, RunningState } from "../state/index.ts";
import { MemoryStore } from "../storage/index.ts";
import { type FakeFunction, functionAgent, errorEvent } from "./fake-function.ts";
import { FakeDelivery, FakePost } from "./fake-delivery.ts";
import { fakeState } from "./fake-state.ts";

export interface FakeNodeOptions {
  readonly name?: string;
  readonly home?: string;
  readonly clock?: Clock;
  /** Without it the node has no right to let machines in. */
  readonly root?: KeyPair;
  /** Nodes that `connect` finds, by address. */
  readonly reachable?: ReadonlyMap<string, FakeNode>;
}

interface Entry {
  readonly agent: Agent;
  readonly card: AgentCard;
  readonly did: KeyPair["did"];
}

/**
 * A node of one process for tests of what stands on top of a node: real registration, execution, deadlines and
 * cancellation; no network, store or signatures.
 */
export class FakeNode implements EasynetNode {
  readonly name: string;
  readonly home: string;
  /** Real invitations, kept in memory. */
  readonly joining: Invitations;
  readonly artifacts = new FakeArtifacts();
  readonly consensus = new FakeConsensus();
  /** Real spaces, kept in memory, of this one node. */
  readonly state: RunningState;
  /** Real documents, kept in memory. */
  readonly documents: RunningDocuments;
  /** What `task` and `tasks` tell, by id: a fake node stores none of its own. */
  readonly storedTasks = new Map<string, TaskReport>();
  /** Messages to its own agents; nothing waits and nothing dies. */
  readonly messages: NodeMessages;
  readonly #keyPair = generateKeyPair();
  readonly #options: FakeNodeOptions;
  readonly #clock: Clock;
  readonly #network: KeyPair;
  readonly #agents = new Map<string, Entry>();
  readonly #topics = new Map<string, Set<Entry>>();
  readonly #peers = new Map<string, PeerReport>();
  readonly #listeners = new Set<(event: NodeEvent) => void>();
  readonly #startedAtMs: number;
  #runningCount = 0;
  #maintenance = false;

  constructor(options: FakeNodeOptions = {}) {
    this.name = options.name ?? "fake-node";
    this.home = options.home ?? "/nowhere";
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#network = options.root ?? generateKeyPair();
    this.#startedAtMs = this.#clock.nowMs();
    const { state, documents } = fakeState(this.did, this.#clock, () => [this.#node()]);
    this.state = state;
    this.documents = documents;
    const granter = options.root && { keyPair: options.root };
    const delivery = new FakeDelivery({ post: new FakePost(), self: this.did, store: new MemoryStore() });
    this.messages = {
      send: (to, content) => this.#send(to, content),
      answer: async (id) => {
        throw new EasynetError("ANSWER_UNKNOWN", { id });
      },
      kinds: new KindRegistry(),
      counts: () => delivery.counts(),
      outbox: () => delivery.outbox(),
      held: () => delivery.held(),
      prove: (id) => delivery.prove(id),
      deadLetters: delivery.deadLetters,
    };
    this.joining = new Invitations({
      keyPair: this.#keyPair,
      network: { did: this.#network.did, name: "home" },
      granter: () => granter,
      store: new MemoryStore(),
      clock: this.#clock,
      logger: silentLogger,
      addresses: () => [],
      memberAddresses: () => [],
    });
  }

  get did(): KeyPair["did"] {
    return this.#keyPair.did;
  }

  /** Offers one function as an agent of the same name. */
  async share(name: string, run: FakeFunction, declared: Partial<Capability> = {}): Promise<AgentHandle> {
    return this.addAgent(functionAgent({ ...capability(name), ...declared }, run));
  }

  status(): NodeStatusReport {
    return {
      version: "0.0.0-fake",
      did: this.did,
      name: this.name,
      network: { did: this.#network.did, name: "home" },
      startedAtMs: this.#startedAtMs,
      pid: process.pid,
      addresses: [],
      load: this.#node().load ?? { running: 0, queued: 0, slots: 1, cpuRatio: 0, memoryRatio: 0 },
      resources: {},
      counts: { peers: this.#peers.size, nodes: 1, agents: this.#agents.size, tasksRunning: this.#runningCount },
      counters: {},
      discovery: [],
      bridges: [],
    };
  }

  peers(): readonly PeerReport[] {
    return [...this.#peers.values()];
  }

  offers(filter: { readonly capability?: string; readonly agent?: string } = {}): readonly Offer[] {
    const node = this.#node();
    return [...this.#agents.values()]
      .filter(({ card }) => filter.agent === undefined || [card.name, card.id].includes(filter.agent))
      .flatMap(({ agent, card }) => agent.capabilities().map((offered) => ({ node, card, capability: offered })))
      .filter((offer) => filter.capability === undefined || offer.capability.name === filter.capability);
  }

  setMaintenance(on: boolean): void {
    this.#maintenance = on;
  }

  async task(id: string): Promise<TaskReport> {
    const report = this.storedTasks.get(id);
    if (!report) throw new EasynetError("TASK_FORGOTTEN", { peer: this.name, taskId: id });
    return report;
  }

  tasks(): TaskLists {
    const asked = Array.from(this.storedTasks.values(), ({ node, state, error, ...task }) => {
      const isOver = state === "completed" || state === "canceled" || state === "failed";
      const end = isOver ? { atMs: task.createdAtMs, code: error?.code ?? "" } : undefined;
      const known = { agent: "", digest: "", accepted: state !== "submitted", cancelling: false };
      const durability = "disk" as const;
      return { ...task, ...known, durability, node: parseDid(node), end };
    });
    return { asked, served: [] };
  }

  cards(): readonly AgentCard[] {
    return [...this.#agents.values()].map((entry) => entry.card);
  }

  async addAgent(agent: Agent): Promise<AgentHandle> {
    if (this.#agents.has(agent.name)) throw new EasynetError("AGENT_EXISTS", { agent: agent.name });
    const { did } = generateKeyPair();
    const card: AgentCard = {
      id: did,
      node: this.did,
      name: agent.name,
      description: agent.description,
      version: agent.version ?? "1.0.0",
      agentType: agent.agentType,
      capabilities: [...agent.capabilities()],
      metadata: {},
      updatedAtMs: this.#clock.nowMs(),
    };
    const entry = { agent, card, did };
    this.#agents.set(agent.name, entry);
    this.#changed();
    return this.#handle(entry);
  }

  async *call(request: CallRequest, options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<RoutedEvent> {
    const { capability: name, target } = request;
    const offer = this.offers({ capability: name }).find(({ card, node }) =>
      target === undefined ? true : [card.name, card.id, node.did, this.name].includes(target),
    );
    const entry = offer && this.#agents.get(offer.card.name);
    if (!entry) {
      yield errorEvent(new EasynetError("NO_CAPABLE_AGENT", { capability: name }));
      return;
    }
    const taskId = request.id ?? createId(this.#clock.nowMs());
    const startMs = this.#clock.monotonicMs();
    const timeoutMs = request.timeoutMs ?? 60_000;
    const controller = new AbortController();
    const cancel = (): void => controller.abort(new EasynetError("CANCELLED", { subject: name }));
    options.signal?.addEventListener("abort", cancel, { once: true });
    if (options.signal?.aborted) cancel();
    const deadline = this.#clock.setTimer(timeoutMs, () =>
      controller.abort(new EasynetError("DEADLINE_EXCEEDED", { subject: name, timeoutMs })),
    );
    const context = this.#context(request, { taskId, signal: controller.signal });
    this.#runningCount += 1;
    this.#emit({ type: "task-started", taskId, capability: name, from: "local" });
    let code: string | undefined = "CANCELLED";
    try {
      yield { type: "assigned", taskId, node: this.did, nodeName: this.name, agent: entry.agent.name, attempt: 1 };
      for await (const event of entry.agent.execute({ id: taskId, capability: name, input: request.input }, context)) {
        if (event.type === "final") code = undefined;
        if (event.type === "error") code = event.error.code;
        yield event;
      }
    } finally {
      deadline.cancel();
      options.signal?.removeEventListener("abort", cancel);
      this.#runningCount -= 1;
      const outcome = code === undefined ? "completed" : code === "CANCELLED" ? "canceled" : "failed";
      const durationMs = this.#clock.monotonicMs() - startMs;
      this.#emit({ type: "task-ended", taskId, capability: name, outcome, durationMs, ...(code && { code }) });
    }
  }

  async examine(): Promise<readonly Finding[]> {
    return [finding("node-running", { name: this.name, addresses: "–" })];
  }

  async connect(address: string): Promise<PeerReport> {
    const found = this.#options.reachable?.get(address);
    if (!found) throw new EasynetError("PEER_UNREACHABLE", { peer: address, reason: "nothing answers there" });
    this.#welcome(found, { address, direction: "outbound" });
    found.#welcome(this, { address, direction: "inbound" });
    const peer = this.#peers.get(found.did);
    if (!peer) throw new EasynetError("PEER_UNREACHABLE", { peer: address, reason: "it left again" });
    return peer;
  }

  async delegateMembership(member: string): Promise<MembershipFile> {
    const { root } = this.#options;
    if (!root) throw new EasynetError("INVITE_RIGHT_MISSING", { network: "home" });
    const delegation = Buffer.from(root.sign(Buffer.from(member))).toString("base64");
    return { network: root.did, networkName: "home", member, delegation, addresses: [] };
  }

  async leave(options: { readonly confirmed: boolean }): Promise<void> {
    await Promise.resolve();
    if (this.#options.root && !options.confirmed) throw new EasynetError("LEAVE_UNCONFIRMED", { network: "home" });
  }

  onEvent(listener: (event: NodeEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async stop(): Promise<void> {
    this.state.stop();
    this.documents.stop();
    for (const { agent } of this.#agents.values()) await agent.close?.();
    this.#agents.clear();
  }

  /** Listeners that are still there, for tests of what must be taken back. */
  get listenersCount(): number {
    return this.#listeners.size;
  }

  #node(): DirectoryNode {
    const nowMs = this.#clock.nowMs();
    const record: NodeRecord = {
      owner: this.did,
      name: this.name,
      version: "0.0.0-fake",
      addresses: [],
      offers: {},
      cards: [],
    };
    const load = { running: this.#runningCount, queued: 0, slots: 4, cpuRatio: 0, memoryRatio: 0 };
    return { did: this.did, record, status: this.#maintenance ? "maintenance" : "alive", load, lastSeenAtMs: nowMs };
  }

  async #send(to: string, { kind, payload, wait = "answer" }: AgentContent): Promise<SentReport> {
    this.messages.kinds.check(kind, payload);
    const found = [...this.#agents.values()].find(({ card }) => [card.name, card.id].includes(to));
    if (!found) throw new EasynetError("NO_CAPABLE_AGENT", { capability: to });
    const about = { id: createId(this.#clock.nowMs()), node: this.did };
    const answer = await this.#deliver(found, { kind, payload, from: this.did });
    return wait === "answer" ? { ...about, state: "answered", answer } : { ...about, state: wait };
  }

  async #deliver(to: Entry, sent: Pick<AgentMessage, "kind" | "payload" | "from">): Promise<unknown> {
    const handler = to.agent.messageHandler?.(sent.kind);
    if (!handler) throw new EasynetError("MESSAGE_UNKNOWN", { agent: to.agent.name, kind: sent.kind });
    const id = createId(this.#clock.nowMs());
    const request = { capability: sent.kind, input: { args: [], kwargs: {} } };
    const message = { id, ...sent, receivedAtMs: this.#clock.nowMs() };
    return handler(message, this.#context(request, { taskId: id, signal: new AbortController().signal }));
  }

  #handle(entry: Entry): AgentHandle {
    const { agent, card } = entry;
    const others = (): Entry[] => [...this.#agents.values()].filter((other) => other !== entry);
    const deliver = (to: Entry, kind: string, payload: unknown): Promise<unknown> =>
      this.#deliver(to, { kind, payload, from: card.id });
    const toEach = async (receivers: readonly Entry[], { kind, payload }: AgentContent): Promise<BroadcastReport> => {
      const delivered: string[] = [];
      const failed: { agent: string; code: string }[] = [];
      for (const other of receivers) {
        try {
          await deliver(other, kind, payload);
          delivered.push(other.card.id);
        } catch (error) {
          failed.push({ agent: other.card.id, code: isEasynetError(error) ? error.code : "INTERNAL" });
        }
      }
      return { delivered, failed };
    };
    return {
      did: entry.did,
      refresh: async () => this.#changed(),
      sendMessage: async (to, { kind, payload }) => {
        const found = others().find((other) => [other.card.name, other.card.id].includes(to));
        if (!found) throw new EasynetError("NO_CAPABLE_AGENT", { capability: kind });
        return deliver(found, kind, payload);
      },
      broadcast: async (content) => toEach(others(), content),
      announce: (content) => {
        void toEach(others(), content);
        return createId(this.#clock.nowMs());
      },
      joinTopic: async (topic) => void this.#membersOf(topic).add(entry),
      leaveTopic: async (topic) => void this.#membersOf(topic).delete(entry),
      publish: async (topic, content) => toEach([...this.#membersOf(topic)], content),
      peers: () => others().map((other) => other.card),
      [Symbol.asyncDispose]: async () => {
        if (this.#agents.get(agent.name) !== entry) return;
        this.#agents.delete(agent.name);
        this.#changed();
      },
    };
  }

  #membersOf(topic: string): Set<Entry> {
    const members = this.#topics.get(topic) ?? new Set();
    this.#topics.set(topic, members);
    return members;
  }

  #context(request: CallRequest, run: { readonly taskId: string; readonly signal: AbortSignal }): TaskContext {
    return {
      ...run,
      from: "local",
      priority: request.priority ?? "normal",
      deadlineAtMs: this.#clock.nowMs() + (request.timeoutMs ?? 60_000),
      budget: request.budget ?? {},
      conversationHistory: request.conversationHistory ?? [],
      outputSchema: request.outputSchema,
      logger: silentLogger,
      clock: this.#clock,
    };
  }

  #welcome(peer: FakeNode, link: { readonly address: string; readonly direction: "inbound" | "outbound" }): void {
    const { did, name } = peer;
    this.#peers.set(did, { did, name, ...link, connectedAtMs: this.#clock.nowMs(), rttMs: undefined, via: undefined });
    this.#emit({ type: "peer-joined", did, name });
  }

  #changed(): void {
    this.#emit({ type: "node-changed", did: this.did, name: this.name, status: "alive", agents: this.#agents.size });
  }

  #emit(event: NodeEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function capability(name: string): Capability {
  return capabilityWith({ name, inputSchema: {} });
}
