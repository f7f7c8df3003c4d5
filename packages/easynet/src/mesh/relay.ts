import type { Did, KeyPair } from "../identity/index.ts";
import {
  type Clock,
  EasynetError,
  type Logger,
  type Metrics,
  type Random,
  type Timer,
  toEasynetError,
} from "../kernel/index.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import type { Fabric, FabricConnection } from "./fabric.ts";
import { orRefuse, type RefusalOptions } from "./refusal.ts";
import { formatCircuit, parseCircuit } from "./relay-address.ts";
import {
  type Leg,
  RELAY_LIMITS,
  RelayCore,
  type RelayEffect,
  type RelayInput,
  type RelayLimits,
} from "./relay-core.ts";
import { RelayEnds } from "./relay-ends.ts";
import {
  decodeRelayClose,
  decodeRelayCredit,
  decodeRelayOpen,
  encodeRelayClose,
  encodeRelayCredit,
  encodeRelayOpen,
  RELAY_FLAG_YOURS,
} from "./relay-frames.ts";
import type { Mesh, MeshFrame, Peer, Way } from "./types.ts";

/** Members that are asked, one after the other, whether they carry a circuit to a peer. */
const RELAYS_ASKED_COUNT_MAX = 8;
/** Of these, members that are dialled for it. */
const RELAYS_DIALLED_COUNT_MAX = 3;
/** Targets of others' circuits that this node dials at once; for a further one only a link that exists counts. */
const REACHING_COUNT_MAX = 16;
const NO_BODY = new Uint8Array(0);

export interface RelayOptions {
  /** The fabric of direct connections. */
  readonly fabric: Fabric;
  readonly keyPair: KeyPair;
  /** Whether this node carries circuits of others. It uses those of others in any case. */
  readonly carries: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits?: Partial<RelayLimits>;
}

/** Connections through members, beside the direct ones. */
export interface Relay {
  /** For the mesh: also dials circuit addresses and hands over circuits that others opened. */
  readonly fabric: Fabric;
  /** To be called once, before the mesh starts: circuits run over its links. */
  use(mesh: Mesh): void;
  /**
   * Circuits to try for a peer that no address of its own reaches: through members that are linked now, those first that
   * are likely to be linked to it, and the `any` way also through such that have to be dialled first.
   */
  circuitsTo(did: Did, way: Way): readonly string[];
  /** Circuits that this node carries for others. */
  readonly carriedCount: number;
}

export function createRelay(options: RelayOptions): Relay {
  return new MeshRelay(options);
}

class MeshRelay implements Relay {
  readonly fabric: Fabric;
  readonly #options: RelayOptions;
  readonly #core: RelayCore;
  readonly #ends: RelayEnds;
  readonly #refusal: RefusalOptions;
  #mesh: Mesh | undefined;
  #onConnection: ((connection: FabricConnection) => void) | undefined;
  #lastId = 0;
  #reachingCount = 0;
  #timer: Timer | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#refusal = { ...options, counter: "easynet_relay_refused_total", what: "relay frame" };
    const limits = { ...RELAY_LIMITS, ...options.limits };
    this.#core = new RelayCore({ limits, enabled: options.carries, nextId: () => this.#nextId() });
    this.#ends = new RelayEnds({
      ...options,
      limits,
      voice: {
        open: (leg, did) => this.#send(leg, "relay-open", encodeRelayOpen({ role: "carry", did })),
        accept: (leg) => this.#sendOrLose(leg, "relay-accept", NO_BODY),
        data: (leg, bytes) => this.#sendOrLose(leg, "relay-data", bytes),
        credit: (leg, bytes) => this.#sendOrLose(leg, "relay-credit", encodeRelayCredit(bytes)),
        close: (leg, reason) => this.#tryToSend(leg, "relay-close", encodeRelayClose(reason)),
      },
      onConnection: (connection) => {
        if (this.#onConnection) this.#onConnection(connection);
        else connection.abort(new Error("nobody accepts connections"));
      },
    });
    this.fabric = this.#wrap(options.fabric);
  }

  get carriedCount(): number {
    return this.#core.circuitCount;
  }

  use(mesh: Mesh): void {
    this.#mesh = mesh;
    mesh.handle(FRAME_TYPES["relay-open"], (frame) => this.#guard(frame, (leg) => this.#onOpen(frame, leg)));
    mesh.handle(FRAME_TYPES["relay-accept"], (frame) =>
      this.#guard(frame, (leg) => {
        if (this.#ends.has(leg)) this.#ends.onAccept(leg);
        else this.#step({ kind: "accept", leg });
      }),
    );
    mesh.handle(FRAME_TYPES["relay-data"], (frame) =>
      this.#guard(frame, (leg) => {
        if (this.#ends.has(leg)) this.#ends.onData(leg, frame.body);
        else this.#step({ kind: "data", leg, body: Uint8Array.from(frame.body) });
      }),
    );
    mesh.handle(FRAME_TYPES["relay-credit"], (frame) =>
      this.#guard(frame, (leg) => {
        const bytes = decodeRelayCredit(frame.body);
        if (this.#ends.has(leg)) this.#ends.onCredit(leg, bytes);
        else this.#step({ kind: "credit", leg, bytes });
      }),
    );
    mesh.handle(FRAME_TYPES["relay-close"], (frame) =>
      this.#guard(frame, (leg) => {
        const reason = decodeRelayClose(frame.body);
        if (this.#ends.has(leg)) this.#ends.onClose(leg, reason);
        else this.#step({ kind: "close", leg, reason });
      }),
    );
    mesh.on("peer-left", ({ did }) => {
      this.#ends.lose(did);
      this.#step({ kind: "peer-left", peer: did });
    });
  }

  circuitsTo(did: Did, way: Way): readonly string[] {
    const relays = (this.#mesh?.peers() ?? []).filter((peer) => peer.did !== did && this.#mayRelay(peer.did));
    // Who is asked first changes, so that no member carries everything.
    const turn = Math.floor(this.#options.random.next() * relays.length);
    const linked = [...relays.slice(turn), ...relays.slice(0, turn)].toSorted(byHops).map((peer) => peer.did);
    const neighbours = new Set(this.#mesh?.neighboursOf(did));
    const near = linked.filter((relay) => neighbours.has(relay));
    const far = [...neighbours].filter((neighbour) => way === "any" && this.#mesh?.peer(neighbour) === undefined);
    const others = linked.filter((relay) => !neighbours.has(relay));
    const asked = [...near, ...far.slice(0, RELAYS_DIALLED_COUNT_MAX), ...others].slice(0, RELAYS_ASKED_COUNT_MAX);
    return asked.map((relay) => formatCircuit(relay, did));
  }

  #wrap(base: Fabric): Fabric {
    return {
      self: base.self,
      start: () => base.start(),
      stop: async () => {
        this.#timer?.cancel();
        this.#ends.lose();
        await base.stop();
      },
      addresses: () => base.addresses(),
      dial: (address, options = {}) => {
        const circuit = parseCircuit(address);
        return circuit ? this.#dial(circuit, options.signal) : base.dial(address, options);
      },
      onConnection: (handler) => {
        this.#onConnection = handler;
        base.onConnection(handler);
      },
    };
  }

  async #dial(circuit: { relay: Did; target: Did }, signal: AbortSignal | undefined): Promise<FabricConnection> {
    const { relay, target } = circuit;
    if (this.#mesh?.isOnDemand(relay)) await this.#mesh.reach(relay, { way: "linked", signal });
    if (!this.#mayRelay(relay)) {
      const peer = formatCircuit(relay, target);
      throw new EasynetError("PEER_UNREACHABLE", { peer, reason: "there is no short enough link to the relay" });
    }
    const connection = await this.#ends.dial({ peer: relay, mine: true, id: this.#nextId() }, target, signal);
    this.#options.metrics.count("easynet_relay_circuits_total", { role: "end" });
    return connection;
  }

  #isDirect(did: Did): boolean {
    const peer = this.#mesh?.peer(did);
    return peer !== undefined && peer.via === undefined;
  }

  /** A direct link, or one over a single member: so a circuit through it has two members in the middle at most. */
  #mayRelay(did: Did): boolean {
    const peer = this.#mesh?.peer(did);
    return peer !== undefined && (peer.via === undefined || this.#isDirect(peer.via));
  }

  #onOpen({ body }: MeshFrame, leg: Leg): void {
    const { role, did } = decodeRelayOpen(body);
    if (leg.mine) return;
    if (role === "from") this.#ends.accept(leg);
    else if (this.#options.carries && this.#mesh?.isOnDemand(did)) void this.#carryTo(did, leg);
    else this.#step({ kind: "open", leg, target: did, linked: this.#isDirect(did) });
  }

  /** In a large network the link to the target may have to be made first; only directly, or requests would go round. */
  async #carryTo(target: Did, leg: Leg): Promise<void> {
    this.#reachingCount++;
    try {
      if (this.#reachingCount <= REACHING_COUNT_MAX) await this.#mesh?.reach(target, { way: "direct" });
    } catch (error) {
      this.#options.logger.debug("no way to the target of a circuit", { target, code: toEasynetError(error).code });
    } finally {
      this.#reachingCount--;
    }
    this.#step({ kind: "open", leg, target, linked: this.#isDirect(target) });
  }

  #step(input: RelayInput): void {
    const { clock } = this.#options;
    const effects = this.#core.step(input, clock.monotonicMs());
    for (const effect of effects) this.#perform(effect);
    this.#timer?.cancel();
    this.#timer = undefined;
    const atMs = this.#core.wakeAtMs;
    if (atMs === undefined) return;
    this.#timer = clock.setTimer(Math.max(1, atMs - clock.monotonicMs()), () => this.#step({ kind: "tick" }));
  }

  #perform(effect: RelayEffect): void {
    const { leg } = effect;
    const { metrics } = this.#options;
    switch (effect.kind) {
      case "open":
        metrics.count("easynet_relay_circuits_total", { role: "carrier" });
        this.#sendOrChoke(leg, "relay-open", encodeRelayOpen({ role: "from", did: effect.from }));
        break;
      case "accept":
        this.#sendOrChoke(leg, "relay-accept", NO_BODY);
        break;
      case "data":
        metrics.count("easynet_relay_frames_carried_total");
        this.#sendOrChoke(leg, "relay-data", effect.body);
        break;
      case "credit":
        this.#sendOrChoke(leg, "relay-credit", encodeRelayCredit(effect.bytes));
        break;
      case "close":
        this.#tryToSend(leg, "relay-close", encodeRelayClose(effect.reason));
        break;
    }
  }

  #send({ peer, mine, id }: Leg, type: RelayFrameName, body: Uint8Array): void {
    const flags = mine ? 0 : RELAY_FLAG_YOURS;
    this.#mesh?.send(peer, { lane: "normal", type: FRAME_TYPES[type], correlation: id, flags, body });
  }

  /** For a circuit that ends here: when its link takes nothing, it is over. */
  #sendOrLose(leg: Leg, type: RelayFrameName, body: Uint8Array): void {
    if (!this.#tryToSend(leg, type, body)) queueMicrotask(() => this.#ends.onClose(leg, "refused"));
  }

  /** For a carried circuit: both ends are told. */
  #sendOrChoke(leg: Leg, type: RelayFrameName, body: Uint8Array): void {
    if (!this.#tryToSend(leg, type, body)) queueMicrotask(() => this.#step({ kind: "choked", leg }));
  }

  #tryToSend(leg: Leg, type: RelayFrameName, body: Uint8Array): boolean {
    try {
      this.#send(leg, type, body);
      return true;
    } catch (error) {
      this.#options.logger.debug("relay frame not sent", { peer: leg.peer, type, code: toEasynetError(error).code });
      return false;
    }
  }

  #guard({ from, correlation: id, flags }: MeshFrame, action: (leg: Leg) => void): void {
    orRefuse(this.#refusal, from, () => action({ peer: from, mine: (flags & RELAY_FLAG_YOURS) !== 0, id }));
  }

  #nextId(): number {
    this.#lastId = (this.#lastId % 0xffff_ffff) + 1;
    return this.#lastId;
  }
}

/** Direct links first. */
function byHops(one: Peer, other: Peer): number {
  return Number(one.via !== undefined) - Number(other.via !== undefined);
}

type RelayFrameName = "relay-open" | "relay-accept" | "relay-data" | "relay-credit" | "relay-close";
