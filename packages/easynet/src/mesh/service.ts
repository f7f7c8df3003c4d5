import type { Did } from "../identity/index.ts";
import { assert, EasynetError, isEasynetError, startDeadline, type Timer, toEasynetError } from "../kernel/index.ts";
import { FRAME_BYTES_MAX, type Lane, PROTOCOL_VERSIONS } from "../wire/index.ts";
import type { FabricConnection } from "./fabric.ts";
import { FloodLimit } from "./flood-core.ts";
import type { Hello } from "./hello.ts";
import { type Decision, Link } from "./link.ts";
import { LinkKeeping } from "./link-keeping.ts";
import { DUPLICATE, isDuplicate, reasonOf, UNNEEDED } from "./link-reasons.ts";
import { checkApplicationType } from "./link-traffic.ts";
import { meshConfig, type MeshConfig, STRANGERS_BURST_COUNT_MAX, STRANGERS_PER_SECOND_MAX } from "./mesh-config.ts";
import { MeshListeners } from "./mesh-events.ts";
import type { MeshOptions } from "./mesh-options.ts";
import { Redial, type RedialInput, type RedialPlan } from "./redial-core.ts";
import { decodeTwinNotice, reportOfError } from "./twin-messages.ts";
import { TWIN_NOTICE_TYPE, Twins } from "./twins.ts";
import { delayUnlessSooner } from "./unless-sooner.ts";
import type { FrameHandler, Mesh, MeshEvents, OutgoingFrame, Peer, ReachOptions } from "./types.ts";

/** A mesh that is not started yet. */
export function createMesh(options: MeshOptions): Mesh {
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

/** Codes with which the other side will not change its mind within seconds. */
const TERMINAL = new Set(["MEMBERSHIP_INVALID", "NETWORK_MISMATCH", "VERSION_UNSUPPORTED", "DUPLICATE_IDENTITY"]);

export class MeshService implements Mesh {
  readonly self: Did;
  readonly network: Did;
  readonly epoch: number;
  readonly #options: MeshOptions;
  readonly #config: MeshConfig;
  readonly #decides: typeof decidesFor;
  readonly #redial: Redial;
  readonly #listeners: MeshListeners;
  readonly #strangers: FloodLimit;
  readonly #startedAtMs: number;
  readonly #twins: Twins;
  readonly #keeping: LinkKeeping;
  readonly #handlers = new Map<number, FrameHandler>();
  /** Admitted links; at most `linksCountMax` together with the committed ones. */
  readonly #links = new Map<Did, Link>();
  /** Links that we said welcome to and that did not answer yet. */
  readonly #committed = new Map<Did, Link>();
  /** All connections that are not admitted; inbound ones at most `handshakesCountMax`. */
  readonly #greeting = new Set<Link>();
  /** Links whose connections are still closing. */
  readonly #closing = new Set<Link>();
  /** Who dialled and waits for the admission. */
  readonly #outcomes = new Map<Link, PromiseWithResolvers<Link>>();
  readonly #waiting = new Set<{ readonly did: Did; readonly settle: (peer: Link | undefined) => void }>();
  readonly #stopping = new AbortController();
  /** Gives up the dials under way. */
  #dialling = new AbortController();
  #state: "new" | "started" | "stopped" = "new";
  #wake: Timer | undefined;

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
    this.#redial = new Redial({
      baseMs: this.#config.redialBaseMs,
      capMs: this.#config.redialCapMs,
      freshCapMs: this.#config.redialFreshCapMs,
      freshMs: this.#config.redialFreshMs,
      dialsCountMax: this.#config.dialsCountMax,
      knownCountMax: this.#config.knownPeersCountMax,
      random: options.random,
      self: this.self,
      fullMeshCountMax: this.#config.fullMeshCountMax,
    });
    this.#keeping = new LinkKeeping({
      self: this.self,
      clock: options.clock,
      redial: this.#redial,
      detours: options.detours,
      peers: () => this.peers(),
      peer: (did) => this.peer(did),
      dial: (did) => this.#plan({ kind: "reach", did }),
      stopping: this.#stopping.signal,
    });
    this.#strangers = new FloodLimit({
      burst: STRANGERS_BURST_COUNT_MAX,
      perSecond: STRANGERS_PER_SECOND_MAX,
      nowMs: options.clock.monotonicMs(),
    });
    this.#twins = new Twins(options.logger);
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
    this.#plan({ kind: "start" });
  }

  async stop(): Promise<void> {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    const error = new EasynetError("NODE_STOPPING", {});
    this.#wake?.cancel();
    this.#stopping.abort(error);
    for (const waiter of this.#waiting) waiter.settle(undefined);
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
    this.#checkStarted();
    const link = await this.#dial(address);
    if (!link.peer) throw this.#unreachable(address, "the link ended");
    return link.peer;
  }

  learn(did: Did, addresses: readonly string[]): void {
    if (did !== this.self) this.#plan({ kind: "learn", did, addresses });
  }

  networkChanged({ gone }: { readonly gone: readonly string[] }): void {
    if (this.#state !== "started") return;
    for (const link of [...this.#greeting, ...this.#links.values()]) {
      const { remote, localHost } = link;
      if (localHost === undefined || !gone.includes(localHost)) link.suspect();
      else link.drop(new EasynetError("LINK_CLOSED", { peer: remote, reason: "this machine lost its address" }));
    }
    this.#dialling.abort(this.#unreachable("The peer", "the network of this machine changed"));
    this.#dialling = new AbortController();
    this.#plan({ kind: "network-changed" });
  }

  forget(did: Did): void {
    this.#plan({ kind: "forget", did });
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

  /** Connects to an address and greets who answers. @throws {EasynetError} PEER_UNREACHABLE and what refused us */
  async #dial(address: string, expected?: Did): Promise<Link> {
    const { fabric, clock, metrics } = this.#options;
    using deadline = startDeadline({
      clock,
      subject: `The dial to ${address}`,
      timeoutMs: this.#config.dialTimeoutMs,
      signal: AbortSignal.any([this.#stopping.signal, this.#dialling.signal]),
    });
    try {
      const connection = await fabric.dial(address, { signal: deadline.signal });
      const link = await this.#greet(connection, expected);
      metrics.count("easynet_dials_total", { outcome: "linked" });
      return link;
    } catch (error) {
      metrics.count("easynet_dials_total", { outcome: "failed" });
      // A fabric may tell of the abort in its own words.
      if (deadline.signal.aborted && !isEasynetError(error)) throw toEasynetError(deadline.signal.reason);
      throw toEasynetError(error);
    }
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
    return this.#admitted(connection);
  }

  /** Resolves with the link to the other end: this connection, or another that was kept in its place. */
  async #admitted(connection: FabricConnection): Promise<Link> {
    const link = this.#open(connection);
    const ended = Promise.withResolvers<Link>();
    this.#outcomes.set(link, ended);
    link.start();
    try {
      return await ended.promise;
    } catch (error) {
      const kept = isDuplicate(error) ? await this.#waitFor(connection.remote) : undefined;
      if (!kept) throw error;
      return kept;
    }
  }

  /** The link to `did`, once there is one; undefined when none came: the peer meant one that it has lost. */
  async #waitFor(did: Did): Promise<Link | undefined> {
    const existing = this.#links.get(did);
    if (existing || this.#state !== "started") return existing;
    return new Promise((resolve) => {
      const settle = (link: Link | undefined): void => {
        timer.cancel();
        this.#waiting.delete(waiter);
        resolve(link);
      };
      const waiter = { did, settle };
      const timer = this.#options.clock.setTimer(this.#config.duplicateWaitMs, () => settle(undefined));
      this.#waiting.add(waiter);
    });
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
      handlerOf: (type) => this.#handlers.get(type),
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
    // Only the decider's welcome gets here with a link in place: it has lost that one.
    this.#links.get(remote)?.close(new EasynetError("LINK_CLOSED", { peer: remote, reason: "the peer linked anew" }));
    this.#links.set(remote, link);
    this.#twins.admitted(remote, link, hello);
    this.#countLinks();
    this.#plan({ kind: "linked", did: remote, addresses: hello.addresses, dialled: link.addressDialled });
    this.#listeners.emit("peer-joined", peer);
    this.#keeping.linked(peer);
    this.#outcomes.get(link)?.resolve(link);
    this.#outcomes.delete(link);
    for (const waiter of this.#waiting) if (waiter.did === remote) waiter.settle(link);
  }

  #onClosed(link: Link, error: EasynetError): void {
    const { remote, peer } = link;
    this.#greeting.delete(link);
    const twin = reportOfError(error, this.self);
    if (twin) this.#listeners.emit("identity-duplicated", twin);
    this.#closing.add(link);
    void link.ended.then(() => this.#closing.delete(link));
    if (this.#committed.get(remote) === link) this.#committed.delete(remote);
    this.#outcomes.get(link)?.reject(error);
    this.#outcomes.delete(link);
    if (this.#links.get(remote) !== link || !peer) return;
    this.#links.delete(remote);
    this.#countLinks();
    this.#plan({ kind: "lost", did: remote });
    this.#listeners.emit("peer-left", peer, reasonOf(error));
  }

  #plan(input: RedialInput): void {
    if (this.#state === "stopped") return;
    const plan = this.#redial.step(input, this.#options.clock.monotonicMs());
    if (plan.full) this.#options.metrics.count("easynet_known_peers_refused_total");
    this.#wake?.cancel();
    this.#wake = undefined;
    if (plan.wakeAtMs !== undefined && this.#state === "started") {
      const delayMs = Math.max(0, plan.wakeAtMs - this.#options.clock.monotonicMs());
      this.#wake = this.#options.clock.setTimer(delayMs, () => this.#plan({ kind: "tick" }));
    }
    for (const dial of plan.dials) void this.#dialInTurn(dial);
  }

  /** Tries each address, and soon the detours beside them; ends in `linked` (through the admission) or `failed`. */
  async #dialInTurn({ did, addresses }: RedialPlan["dials"][number]): Promise<void> {
    const direct = this.#dialEach(did, addresses);
    // Addresses behind a router swallow dials for seconds: nobody waits for all of them before a detour is tried.
    const later = delayUnlessSooner(this.#options.clock, this.#config.detourAfterMs, direct);
    const detours = later.then(() => this.#dialEach(did, this.#keeping.detours(did)));
    const terminal = (await Promise.all([direct, detours])).some(Boolean);
    if (this.#links.has(did)) return;
    this.#plan({ kind: "failed", did, terminal });
    this.#keeping.failed(did);
  }

  /** True when the last refusal is one that stays. */
  async #dialEach(did: Did, addresses: readonly string[]): Promise<boolean> {
    let terminal = false;
    for (const address of addresses) {
      if (this.#links.has(did) || this.#state === "stopped") break;
      try {
        await this.#dial(address, did);
      } catch (error) {
        terminal = isEasynetError(error) && TERMINAL.has(error.code);
        this.#options.logger.debug("dial failed", { peer: did, address, error });
      }
    }
    return terminal;
  }

  #checkStarted(): void {
    if (this.#state !== "started") throw new EasynetError("NODE_STOPPING", {});
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
