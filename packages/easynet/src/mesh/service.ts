import type { Did } from "../identity/index.ts";
import { assert, EasynetError } from "../kernel/index.ts";
import { FRAME_BYTES_MAX, type Lane, PROTOCOL_VERSIONS } from "../wire/index.ts";
import { Admissions } from "./admissions.ts";
import { Dialler } from "./dialler.ts";
import type { FabricConnection } from "./fabric.ts";
import { FloodLimit } from "./flood-core.ts";
import type { Hello } from "./hello.ts";
import { type Decision, Link } from "./link.ts";
import { LinkKeeping } from "./link-keeping.ts";
import { LinkMoves } from "./link-moves.ts";
import { DUPLICATE, reasonOf, UNNEEDED } from "./link-reasons.ts";
import { checkApplicationType } from "./link-traffic.ts";
import { meshConfig, type MeshConfig, STRANGERS_BURST_COUNT_MAX, STRANGERS_PER_SECOND_MAX } from "./mesh-config.ts";
import { MeshListeners } from "./mesh-events.ts";
import type { MeshOptions } from "./mesh-options.ts";
import { decodeTwinNotice, reportOfError } from "./twin-messages.ts";
import { TWIN_NOTICE_TYPE, Twins } from "./twins.ts";
import type { FabricMesh, FrameHandler, MeshEvents, OutgoingFrame, Peer, ReachOptions } from "./types.ts";

/** A mesh that is not started yet. */
export function createMesh(options: MeshOptions): FabricMesh {
  return new MeshService(options, decidesFor);
}

/**
 * Of two nodes the one with the lower did decides which connection between them is kept: it commits to one, with
 * its welcome, and refuses others. The other end takes each welcome of the decider as the decision. So two dials
 * that cross can never end in two links or in none.
 */
export function decidesFor(self: Did, remote: Did): boolean {
  return self < remote;
}

export class MeshService implements FabricMesh {
  readonly self: Did;
  readonly network: Did;
  readonly epoch: number;
  readonly #options: MeshOptions;
  readonly #config: MeshConfig;
  readonly #decides: typeof decidesFor;
  readonly #dialler: Dialler;
  readonly #listeners: MeshListeners;
  readonly #strangers: FloodLimit;
  readonly #startedAtMs: number;
  readonly #twins: Twins;
  readonly #keeping: LinkKeeping;
  readonly #handlers = new Map<number, FrameHandler>();
  readonly #moves: LinkMoves;
  /** Admitted links; at most `linksCountMax` together with the committed ones. */
  readonly #links = new Map<Did, Link>();
  /** Links that we said welcome to and that did not answer yet. */
  readonly #committed = new Map<Did, Link>();
  /** All connections that are not admitted; inbound ones at most `handshakesCountMax`. */
  readonly #greeting = new Set<Link>();
  /** Links whose connections are still closing. */
  readonly #closing = new Set<Link>();
  readonly #admissions: Admissions;
  readonly #stopping = new AbortController();
  #state: "new" | "started" | "stopped" = "new";

  /** @param decides {@link decidesFor}; simulations plant another one to see that they notice */
  constructor(options: MeshOptions, decides: typeof decidesFor) {
    assert(options.name.length > 0, "a mesh needs a name");
    this.self = options.fabric.self;
    this.network = options.network;
    this.epoch = 1 + Math.floor(options.random.next() * (2 ** 48 - 1));
    this.#options = options;
    this.#config = meshConfig(options.config);
    this.#decides = decides;
    this.#listeners = new MeshListeners(options.logger);
    this.#dialler = new Dialler({
      ...options,
      self: this.self,
      config: this.#config,
      greet: (connection, expected) => this.#greet(connection, expected),
      isLinked: (did) => this.#links.has(did),
      detours: (did) => this.#keeping.detours(did),
      onFailed: (did) => this.#keeping.failed(did),
    });
    this.#keeping = new LinkKeeping({
      self: this.self,
      clock: options.clock,
      redial: this.#dialler.redial,
      detours: options.detours,
      peers: () => this.peers(),
      peer: (did) => this.peer(did),
      dial: (did) => this.#dialler.plan({ kind: "reach", did }),
      stopping: this.#stopping.signal,
    });
    this.#strangers = new FloodLimit({
      burst: STRANGERS_BURST_COUNT_MAX,
      perSecond: STRANGERS_PER_SECOND_MAX,
      nowMs: options.clock.monotonicMs(),
    });
    this.#twins = new Twins(options.logger);
    this.#admissions = new Admissions({
      clock: options.clock,
      duplicateWaitMs: this.#config.duplicateWaitMs,
      linkTo: (did) => this.#links.get(did),
    });
    this.#moves = new LinkMoves({ clock: options.clock, handlerOf: (type) => this.#handlers.get(type) });
    this.#startedAtMs = Math.floor(options.clock.nowMs());
    this.#handlers.set(TWIN_NOTICE_TYPE, ({ body }) =>
      this.#listeners.emit("identity-duplicated", decodeTwinNotice(body)),
    );
    options.fabric.onConnection((connection) => this.#onConnection(connection));
  }

  /** @throws {EasynetError} PORT_IN_USE */
  async start(): Promise<void> {
    if (this.#state !== "new") throw new EasynetError("INTERNAL", { reason: "a mesh is started once" });
    this.#state = "started";
    await this.#options.fabric.start();
    this.#dialler.plan({ kind: "start" });
  }

  async stop(): Promise<void> {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    const error = new EasynetError("NODE_STOPPING", {});
    this.#dialler.stop(error);
    this.#stopping.abort(error);
    this.#admissions.stop();
    for (const link of [...this.#greeting, ...this.#links.values()]) link.close(error);
    await Promise.all([...this.#closing].map(async (link) => link.ended));
    await this.#options.fabric.stop();
  }

  addresses(): readonly string[] {
    return this.#options.fabric.addresses();
  }

  peers(): readonly Peer[] {
    return [...this.#links.values()].flatMap((link) => link.peer ?? []);
  }

  peer(did: Did): Peer | undefined {
    return this.#links.get(did)?.peer;
  }

  async connect(address: string): Promise<Peer> {
    if (this.#state !== "started") throw new EasynetError("NODE_STOPPING", {});
    const link = await this.#dialler.dial(address);
    if (!link.peer) throw this.#unreachable(address, "the link ended");
    return link.peer;
  }

  adopt(connection: FabricConnection): void {
    if (connection.direction === "inbound") {
      this.#onConnection(connection);
      return;
    }
    this.#greet(connection, connection.remote).catch((error: unknown) => {
      this.#options.logger.debug("connection not admitted", { peer: connection.remote, error });
    });
  }

  learn(did: Did, addresses: readonly string[]): void {
    if (did !== this.self) this.#dialler.plan({ kind: "learn", did, addresses });
  }

  networkChanged({ gone }: { readonly gone: readonly string[] }): void {
    if (this.#state !== "started") return;
    for (const link of [...this.#greeting, ...this.#links.values()]) {
      const { remote, localHost } = link;
      if (localHost === undefined || !gone.includes(localHost)) link.suspect();
      else link.drop(new EasynetError("LINK_CLOSED", { peer: remote, reason: "this machine lost its address" }));
    }
    this.#dialler.networkChanged();
  }

  forget(did: Did): void {
    this.#dialler.plan({ kind: "forget", did });
  }

  reach(did: Did, options?: ReachOptions): Promise<Peer> {
    return this.#keeping.reach(did, options);
  }

  isOnDemand(did: Did): boolean {
    return this.#keeping.isOnDemand(did);
  }

  neighboursOf(did: Did): readonly Did[] {
    return this.#keeping.neighboursOf(did);
  }

  trim(inUse: (did: Did) => boolean): void {
    for (const peer of this.#keeping.unneeded(inUse)) {
      this.#links.get(peer)?.close(new EasynetError("LINK_CLOSED", { peer, reason: UNNEEDED }));
    }
  }

  send(to: Did, frame: OutgoingFrame): boolean {
    checkApplicationType(frame.type);
    return this.#linkTo(to).send(frame);
  }

  async drained(to: Did, lane: Lane): Promise<void> {
    await this.#linkTo(to).drained(lane);
  }

  handle(type: number, handler: FrameHandler): void {
    checkApplicationType(type);
    this.#handlers.set(type, handler);
  }

  on<Name extends keyof MeshEvents>(name: Name, listener: (...values: MeshEvents[Name]) => void): Disposable {
    return this.#listeners.add(name, listener);
  }

  #linkTo(to: Did): Link {
    const link = this.#links.get(to);
    if (link) return link;
    if (to === this.self) {
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The recipient", reason: "it is this node itself" });
    }
    throw this.#unreachable(to, "there is no link to it");
  }

  async #greet(connection: FabricConnection, expected: Did | undefined): Promise<Link> {
    const { remote } = connection;
    if (this.#state !== "started") {
      connection.abort(new Error("the node stops"));
      throw new EasynetError("NODE_STOPPING", {});
    }
    if (remote === this.self || (expected !== undefined && remote !== expected)) {
      const isSelf = remote === this.self;
      this.#countRefused(isSelf ? "self" : "identity");
      connection.abort(new Error("another node was wanted"));
      throw this.#unreachable(connection.remoteAddress, isSelf ? "it is this node itself" : "another key answered");
    }
    const existing = this.#links.get(remote);
    if (existing && !isBetter(connection, existing)) {
      existing.suspect();
      void connection.close();
      return existing;
    }
    const link = this.#open(connection);
    const admission = this.#admissions.of(link);
    link.start();
    return admission;
  }

  #onConnection(connection: FabricConnection): void {
    const inboundCount = [...this.#greeting].filter((link) => link.direction === "inbound").length;
    if (this.#state !== "started" || inboundCount >= this.#config.handshakesCountMax) {
      this.#countRefused("limit");
      connection.abort(new Error("too many connections wait for their hello"));
    } else if (connection.remote === this.self) {
      this.#countRefused("self");
      this.#options.logger.warn("a connection proved this node's own key", { address: connection.remoteAddress });
      connection.abort(new Error("it is this node's own key"));
    } else {
      this.#open(connection).start();
    }
  }

  #open(connection: FabricConnection): Link {
    const { clock, logger, metrics, verifyMember } = this.#options;
    const link = new Link({
      connection,
      config: this.#config,
      clock,
      logger,
      metrics,
      verifyMember,
      hello: () => this.#hello(),
      decide: (asking, hello) => this.#decide(asking, hello),
      onAdmitted: (admitted) => this.#onAdmitted(admitted),
      onClosed: (closed, error) => this.#onClosed(closed, error),
      handlerOf: (type) => this.#moves.handlerOf(link, type),
      answerStranger: this.#options.answerStranger && ((request) => this.#answerStranger(connection, request)),
    });
    this.#greeting.add(link);
    return link;
  }

  async #answerStranger(connection: FabricConnection, request: Uint8Array): Promise<Uint8Array> {
    const { answerStranger, clock, metrics } = this.#options;
    if (!answerStranger || !this.#strangers.take(clock.monotonicMs())) {
      metrics.count("easynet_join_requests_total", { outcome: "overloaded" });
      throw new EasynetError("OVERLOADED", { subject: "The node", queued: STRANGERS_BURST_COUNT_MAX });
    }
    metrics.count("easynet_join_requests_total", { outcome: "asked" });
    return answerStranger({ did: connection.remote, address: connection.remoteAddress, request });
  }

  #hello(): Hello {
    const { membership, name } = this.#options;
    return {
      versions: PROTOCOL_VERSIONS,
      network: this.network,
      membership: typeof membership === "function" ? membership() : membership,
      name,
      epoch: this.epoch,
      addresses: this.addresses(),
      frameBytesMax: FRAME_BYTES_MAX,
      features: [],
      startedAtMs: this.#startedAtMs,
    };
  }

  #decide(link: Link, hello: Hello): Decision {
    const { remote } = link;
    const refused = this.#twins.decide(link, hello, this.#links.get(remote));
    if (refused) return refused;
    if (this.#links.size + this.#committed.size >= this.#config.linksCountMax && !this.#links.has(remote)) {
      const error = new EasynetError("OVERLOADED", { subject: "The node", queued: this.#links.size });
      return { keep: false, reason: "limit", error };
    }
    if (!this.#decides(this.self, remote)) return { keep: true };
    const other = this.#links.get(remote) ?? this.#committed.get(remote);
    if (!other || (other.relayed && !link.relayed)) {
      this.#committed.set(remote, link);
      return { keep: true };
    }
    // The peer greets us again although we are linked: it may have lost the link that we still believe in.
    other.suspect();
    const error = new EasynetError("LINK_CLOSED", { peer: remote, reason: DUPLICATE });
    return { keep: false, reason: DUPLICATE, error };
  }

  #onAdmitted(link: Link): void {
    const { remote, peer, hello } = link;
    if (!peer || !hello) return;
    this.#greeting.delete(link);
    if (this.#committed.get(remote) === link) this.#committed.delete(remote);
    this.#replace(this.#links.get(remote), link);
    this.#links.set(remote, link);
    this.#twins.admitted(remote, link, hello);
    this.#countLinks();
    this.#dialler.plan({ kind: "linked", did: remote, addresses: hello.addresses, dialled: link.addressDialled });
    this.#listeners.emit("peer-joined", peer);
    this.#keeping.linked(peer);
    this.#admissions.admitted(link);
  }

  /** What goes on over a relayed link moves to a direct one; any other link in place is one that the peer has lost. */
  #replace(before: Link | undefined, link: Link): void {
    if (!before?.peer || !link.peer) return;
    const { remote, peer } = link;
    if (!before.relayed || link.relayed || before.peer.epoch !== peer.epoch) {
      before.close(new EasynetError("LINK_CLOSED", { peer: remote, reason: "the peer linked anew" }));
      return;
    }
    link.connectedAtMs = before.peer.connectedAtMs;
    this.#moves.begin(before, link, () => {
      link.connectedAtMs = this.#options.clock.nowMs();
      if (this.#links.get(remote) === link) this.#listeners.emit("peer-joined", peer);
    });
  }

  #onClosed(link: Link, error: EasynetError): void {
    const { remote, peer } = link;
    this.#greeting.delete(link);
    const twin = reportOfError(error, this.self);
    if (twin) this.#listeners.emit("identity-duplicated", twin);
    this.#closing.add(link);
    void link.ended.then(() => this.#closing.delete(link));
    if (this.#committed.get(remote) === link) this.#committed.delete(remote);
    this.#admissions.failed(link, error);
    const isCurrent = this.#links.get(remote) === link;
    if (isCurrent) this.#links.delete(remote);
    this.#moves.closed(link);
    if (!isCurrent || !peer) return;
    this.#countLinks();
    this.#dialler.plan({ kind: "lost", did: remote });
    this.#listeners.emit("peer-left", peer, reasonOf(error));
  }

  #countLinks(): void {
    this.#options.metrics.gauge("easynet_links", this.#links.size);
  }

  #countRefused(reason: "limit" | "self" | "identity"): void {
    this.#options.metrics.count("easynet_links_refused_total", { reason });
  }

  #unreachable(peer: string, reason: string): EasynetError {
    return new EasynetError("PEER_UNREACHABLE", { peer, reason });
  }
}

/** A direct way takes the place of one through another member. */
function isBetter(connection: FabricConnection, existing: Link): boolean {
  return existing.relayed && connection.via === undefined;
}
