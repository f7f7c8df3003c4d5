import type { Agent, AgentHost, ExecuteRequest } from "../agents/index.ts";
import { type Did, type KeyPair, parseDid } from "../identity/index.ts";
import { type Clock, EasynetError, isEasynetError, type Logger, repeat, type Timer } from "../kernel/index.ts";
import type {
  Artifacts,
  Delivery,
  Exchanges,
  KindRegistry,
  MessageEvent,
  Messages,
  TaskCaller,
  TaskReport,
  TaskServer,
} from "../messaging/index.ts";
import type { Gossip, Mdns, Mesh, Swim, TwinReport } from "../mesh/index.ts";
import type { AgentCard, AgentEvent, NodeRecord, Resources, SignedCard } from "../model/index.ts";
import type { CallRequest, RoutedEvent, Router } from "../routing/index.ts";
import {
  type Directory,
  type DirectoryNode,
  type Documents,
  type FindQuery,
  forgetAddresses,
  type Offer,
  type RunningDocuments,
  type RunningState,
  type SharedState,
} from "../state/index.ts";
import type { Store } from "../storage/index.ts";
import type { MetricsRegistry } from "../telemetry/index.ts";
import { createSignedCard } from "./agent-cards.ts";
import { AgentMessenger } from "./agent-messenger.ts";
import type { Entrance } from "./entrance.ts";
import type { Finding } from "./doctor-facts.ts";
import { examineNode } from "./examine-node.ts";
import type { Home } from "./home.ts";
import type {
  AgentHandle,
  DuplicateReport,
  EasynetNode,
  Joining,
  MembershipFile,
  NodeEvent,
  NodeMessages,
  NodeStatusReport,
  PeerReport,
  TaskLists,
} from "./types.ts";
import { EASYNET_VERSION } from "./version.ts";

/** How often this node tells the others how busy it is. */
const LOAD_INTERVAL_MS = 500;
/** Running tasks get this long to end when the node stops. */
const STOP_GRACE_MS = 3_000;

/** Members tell of a second process with our key each time it knocks; after this silence it is gone. */
const DUPLICATE_NEWS_MS = 120_000;

/** Every part of a node, built and not yet started (start-node.ts does both). */
export interface NodeParts {
  readonly name: string;
  readonly home: Home;
  /** Held while the node runs, so that no second one uses the same folder. */
  readonly lock: Disposable;
  readonly nodeKey: KeyPair;
  readonly network: { readonly did: Did; readonly name: string };
  readonly store: Store;
  readonly mesh: Mesh;
  readonly exchanges: Exchanges;
  readonly artifacts: Artifacts;
  readonly swim: Swim;
  readonly gossip: Gossip;
  readonly directory: Directory;
  readonly state: RunningState;
  readonly documents: RunningDocuments;
  readonly delivery: Delivery;
  readonly messages: Messages;
  readonly kinds: KindRegistry;
  readonly host: AgentHost;
  readonly router: Router;
  readonly tasks: TaskCaller;
  readonly taskServer: TaskServer;
  readonly mdns: Mdns | undefined;
  readonly entrance: Entrance;
  /** What goes on beside the parts until the node stops: dialling first members, healing links. */
  readonly upkeep: Disposable;
  readonly resources: Resources;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
}

interface OwnAgent {
  readonly agent: Agent;
  readonly key: KeyPair;
  signed: SignedCard;
}

export class RunningNode implements EasynetNode {
  readonly did: Did;
  readonly name: string;
  readonly home: string;
  readonly joining: Joining;
  readonly messages: NodeMessages;
  readonly artifacts: Artifacts;
  readonly state: SharedState;
  readonly documents: Documents;
  readonly #parts: NodeParts;
  readonly #startedAtMs: number;
  readonly #agents = new Map<string, OwnAgent>();
  readonly #listeners = new Set<(event: NodeEvent) => void>();
  readonly #messenger: AgentMessenger;
  readonly #loadTimer: Timer;
  #publishing: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #duplicate: DuplicateReport | undefined;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.did = parts.nodeKey.did;
    this.name = parts.name;
    this.home = parts.home.path;
    this.joining = parts.entrance.joining;
    this.artifacts = parts.artifacts;
    this.state = parts.state;
    this.documents = parts.documents;
    this.#startedAtMs = parts.clock.nowMs();
    const messenger = new AgentMessenger({
      ...parts,
      isDefined: (kind) => parts.kinds.get(kind) !== undefined,
      onTopics: () => this.publish(),
    });
    this.#messenger = messenger;
    this.messages = {
      send: (to, content) => messenger.send(to, { ...content, from: undefined }),
      answer: (id) => parts.messages.answer(id),
      kinds: parts.kinds,
      counts: () => parts.delivery.counts(),
      outbox: () => parts.delivery.outbox(),
      deadLetters: parts.delivery.deadLetters,
    };
    this.#loadTimer = repeat(parts.clock, LOAD_INTERVAL_MS, () => parts.directory.setLoad(parts.host.load()));
    parts.mesh.on("peer-joined", (peer) => {
      // Whoever lets us in again sees no other process.
      if (this.#duplicate?.steppedBack === true) this.#duplicate = undefined;
      this.#emit({ type: "peer-joined", did: peer.did, name: peer.name });
    });
    parts.mesh.on("identity-duplicated", (report) => this.#onDuplicate(report));
    parts.entrance.onAsked = ({ did, name, address }) => this.#emit({ type: "join-asked", did, name, address });
    parts.mesh.on("peer-left", (peer, reason) =>
      this.#emit({ type: "peer-left", did: peer.did, name: peer.name, reason }),
    );
    parts.directory.on("node-changed", (node) => this.#emit(nodeChanged(node)));
    parts.directory.on("node-gone", (did, status) =>
      this.#emit({ type: "node-changed", did, name: this.#nameOf(did), status, agents: 0 }),
    );
  }

  /** Runs a task on this node and tells who watches. The way of local calls and of those from other nodes. */
  async *execute(request: ExecuteRequest): AsyncGenerator<AgentEvent, void, void> {
    const { taskId, capability, from } = request;
    const { clock, host } = this.#parts;
    const startedAtMs = clock.monotonicMs();
    this.#emit({ type: "task-started", taskId, capability, from });
    let end: AgentEvent | undefined;
    try {
      for await (const event of host.execute(request)) {
        if (event.type === "final" || event.type === "error") end = event;
        yield event;
      }
    } finally {
      const code = end?.type === "error" ? end.error.code : undefined;
      const failed = code === "CANCELLED" ? "canceled" : "failed";
      this.#emit({
        type: "task-ended",
        taskId,
        capability,
        outcome: end?.type === "final" ? "completed" : failed,
        ...(code !== undefined && { code }),
        durationMs: clock.monotonicMs() - startedAtMs,
      });
    }
  }

  status(): NodeStatusReport {
    const { mesh, directory, host, resources, network, metrics, mdns } = this.#parts;
    const load = host.load();
    const nodes = directory.nodes().filter((node) => node.status === "alive");
    return {
      version: EASYNET_VERSION,
      did: this.did,
      name: this.name,
      network: { did: network.did, name: network.name },
      startedAtMs: this.#startedAtMs,
      pid: process.pid,
      addresses: mesh.addresses(),
      load,
      resources,
      counts: {
        peers: mesh.peers().length,
        nodes: nodes.length,
        agents: nodes.reduce((count, node) => count + node.record.cards.length, 0),
        tasksRunning: load.running,
      },
      counters: metrics.counters(),
      ...this.#duplicateNow(),
      discovery: mdns?.status().interfaces ?? [],
    };
  }

  peers(): readonly PeerReport[] {
    return this.#parts.mesh.peers().map(({ did, name, address, direction, connectedAtMs, rttMs, via }) => ({
      did,
      name,
      address,
      direction,
      connectedAtMs,
      rttMs,
      via: via && this.#nameOf(via),
    }));
  }

  offers(query: FindQuery = {}): readonly Offer[] {
    return this.#parts.directory.find(query);
  }

  setMaintenance(on: boolean): void {
    this.#parts.swim.setMaintenance(on);
  }

  cards(): readonly AgentCard[] {
    return [...this.#agents.values()].map(({ signed }) => signed.card);
  }

  call(request: CallRequest, options: { readonly signal?: AbortSignal } = {}): AsyncIterable<RoutedEvent> {
    if (this.#stopping) throw new EasynetError("NODE_STOPPING", {});
    return this.#parts.router.call(request, options);
  }

  task(id: string): Promise<TaskReport> {
    return this.#parts.tasks.report(id);
  }

  tasks(): TaskLists {
    const { tasks, taskServer } = this.#parts;
    const served = taskServer.list().map((task) => ({ ...task, callerName: this.#nameOf(parseDid(task.caller)) }));
    return { asked: tasks.list(), served };
  }

  async addAgent(agent: Agent): Promise<AgentHandle> {
    if (this.#agents.has(agent.name)) throw new EasynetError("CAPABILITY_EXISTS", { capability: agent.name });
    const key = this.#parts.home.agentKey(agent.name);
    const own: OwnAgent = { agent, key, signed: this.#sign(agent, key) };
    const handle = this.#parts.host.add(agent, { did: key.did });
    this.#agents.set(agent.name, own);
    this.#messenger.added(key.did);
    const remove = async (): Promise<void> => {
      if (this.#agents.get(agent.name) !== own) return;
      this.#agents.delete(agent.name);
      this.#messenger.removed(key.did);
      await handle[Symbol.asyncDispose]();
      if (!this.#stopping) await this.publish();
    };
    try {
      await this.publish();
    } catch (error) {
      await remove();
      throw error;
    }
    return {
      did: key.did,
      refresh: () => {
        own.signed = this.#sign(agent, key);
        return this.publish();
      },
      ...this.#messenger.of(key.did),
      [Symbol.asyncDispose]: remove,
    };
  }

  async connect(address: string): Promise<PeerReport> {
    const { did } = await this.#parts.mesh.connect(address);
    const report = this.peers().find((peer) => peer.did === did);
    if (!report) throw new EasynetError("PEER_UNREACHABLE", { peer: address, reason: "the link closed at once" });
    return report;
  }

  examine(): Promise<readonly Finding[]> {
    return examineNode({ ...this.#parts, ...this.#duplicateNow(), name: this.name });
  }

  delegateMembership(member: string): Promise<MembershipFile> {
    return this.#parts.entrance.delegate(member);
  }

  async leave(options: { readonly confirmed: boolean }): Promise<void> {
    const { entrance, network, home, store, logger } = this.#parts;
    if (entrance.holdsRoot && !options.confirmed)
      throw new EasynetError("LEAVE_UNCONFIRMED", { network: network.name });
    home.removeMembership();
    await forgetAddresses(store);
    logger.info("network left", { network: network.did });
  }

  /** Tells who watches of a message; what nobody watches costs nothing. */
  observe({ direction, peer, to, ...event }: MessageEvent): void {
    if (this.#listeners.size === 0) return;
    const name = this.#nameOf(peer);
    this.#emit({ type: `message-${direction}`, did: peer, name, ...event, ...(to !== undefined && { to }) });
  }

  onEvent(listener: (event: NodeEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Publishes this node's record as it is now; calls run one after the other, so the last state wins. */
  publish(): Promise<void> {
    const next = this.#publishing.then(() => this.#parts.directory.publish(this.#record()));
    this.#publishing = next.catch((error: unknown) => {
      if (!isEasynetError(error)) throw error;
    });
    return next;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { host, swim, gossip, directory, exchanges, upkeep, mdns, mesh, store, lock, logger } = this.#parts;
    const { entrance, messages, delivery, tasks, taskServer, state, documents } = this.#parts;
    this.artifacts.close();
    state.stop();
    documents.stop();
    this.#loadTimer.cancel();
    entrance[Symbol.dispose]();
    await directory.leave();
    // First: how running tasks end from here on is the node's doing, and not their outcome.
    taskServer.close();
    tasks.close();
    await host.close(STOP_GRACE_MS);
    messages.close();
    await delivery.close();
    exchanges.close();
    upkeep[Symbol.dispose]();
    await mdns?.stop();
    swim.leave();
    gossip.stop();
    await directory.stop();
    await mesh.stop();
    for (const { agent } of this.#agents.values()) await agent.close?.();
    await store.close();
    lock[Symbol.dispose]();
    logger.info("node stopped", { did: this.did });
  }

  #onDuplicate(report: TwinReport): void {
    const before = this.#duplicate;
    this.#duplicate = { ...report, lastSeenAtMs: this.#parts.clock.nowMs() };
    const reason = `it is at ${report.address}; ${report.steppedBack ? "this one" : "that one"} started later and waits`;
    this.#parts.logger.warn("another process runs with this node's key", { ...report });
    if (before?.address === report.address && before.steppedBack === report.steppedBack) return;
    this.#emit({ type: "duplicate-identity", did: this.did, name: this.name, reason });
  }

  /** What members said of another process with this key, while it is news. */
  #duplicateNow(): { readonly duplicate?: DuplicateReport } {
    const known = this.#duplicate;
    const isNews = known && this.#parts.clock.nowMs() - known.lastSeenAtMs < DUPLICATE_NEWS_MS;
    return isNews ? { duplicate: known } : {};
  }

  #sign(agent: Agent, key: KeyPair): SignedCard {
    return createSignedCard(agent, key, { did: this.did, nowMs: this.#parts.clock.nowMs() });
  }

  #record(): NodeRecord {
    const topics = this.#messenger.topics();
    return {
      owner: this.did,
      name: this.name,
      version: EASYNET_VERSION,
      addresses: [...this.#parts.mesh.addresses()],
      offers: this.#parts.resources,
      cards: [...this.#agents.values()].map(({ signed }) => signed),
      ...(topics.length > 0 && { topics: [...topics] }),
    };
  }

  #nameOf(did: Did): string {
    return this.#parts.directory.nodes().find((node) => node.did === did)?.record.name ?? did;
  }

  #emit(event: NodeEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function nodeChanged(node: DirectoryNode): NodeEvent {
  const { did, record, status } = node;
  return { type: "node-changed", did, name: record.name, status, agents: record.cards.length };
}
