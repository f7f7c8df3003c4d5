import type { Did, KeyPair } from "../identity/index.ts";
import {
  type Clock,
  EasynetError,
  type Logger,
  type Metrics,
  startDeadline,
  type Timer,
  toEasynetError,
} from "../kernel/index.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import { decodePunchEnd, decodeSeenHost, encodePunchEnd, encodeSeenHost, type PunchEnd } from "./punch-frames.ts";
import { type PunchSockets, tcpPunchSockets } from "./punch-socket.ts";
import { StreamSecurity } from "./stream-security.ts";
import type { FabricMesh, MeshFrame, Peer } from "./types.ts";

/** From the question for the own address to the proof of both keys, ms. */
const PUNCH_TIMEOUT_MS = 6000;
/** After a relayed link came up, ms: its ends have each other's news by then. */
const FIRST_PUNCH_DELAY_MS = 1000;
/** Punches at a time; a further one waits for another occasion. */
const PUNCHES_COUNT_MAX = 8;
const NO_BODY = new Uint8Array(0);

export interface PunchOptions {
  readonly mesh: FabricMesh;
  readonly keyPair: KeyPair;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** @default TCP */
  readonly sockets?: PunchSockets;
}

/** Makes direct links between members behind routers; disposing it ends what is under way. */
export interface Punch extends Disposable {
  /**
   * Tries to reach a relayed member directly: both ends dial each other at the same moment. Of the two the one with
   * the lower did begins; for the other one and for a member with a direct link this does nothing. Resolves when the
   * attempt is over; a link that came of it takes the place of the relayed one.
   */
  attempt(did: Did): Promise<void>;
}

/** To be called before the mesh starts: it also answers those who begin, and tells members how it sees them. */
export function createPunch(options: PunchOptions): Punch {
  return new HolePunch(options);
}

interface Session {
  /** What the other end said. */
  readonly end: PromiseWithResolvers<PunchEnd>;
}

class HolePunch implements Punch {
  readonly #options: PunchOptions;
  readonly #sockets: PunchSockets;
  readonly #security: StreamSecurity;
  /** At most `PUNCHES_COUNT_MAX`. */
  readonly #sessions = new Map<Did, Session>();
  /** Questions to relays for the own address; at most one per session. */
  readonly #asked = new Map<Did, PromiseWithResolvers<string>>();
  readonly #timers = new Map<Did, Timer>();
  readonly #stopping = new AbortController();
  readonly #joined: Disposable;

  constructor(options: PunchOptions) {
    const { mesh } = options;
    this.#options = options;
    this.#sockets = options.sockets ?? tcpPunchSockets(options.clock);
    this.#security = new StreamSecurity(options);
    mesh.handle(FRAME_TYPES["seen-ask"], ({ from }) => this.#tellSeen(from));
    mesh.handle(FRAME_TYPES["seen-told"], ({ from, body }) => this.#asked.get(from)?.resolve(decodeSeenHost(body)));
    mesh.handle(FRAME_TYPES["punch-offer"], (frame) => this.#onOffer(frame));
    mesh.handle(FRAME_TYPES["punch-answer"], ({ from, body }) => {
      this.#sessions.get(from)?.end.resolve(decodePunchEnd(body));
    });
    this.#joined = mesh.on("peer-joined", (peer) => this.#onJoined(peer));
  }

  async attempt(did: Did): Promise<void> {
    if (!this.#begins(did)) return;
    const session: Session = { end: Promise.withResolvers() };
    await this.#run(did, session, async (own) => {
      this.#send(did, "punch-offer", encodePunchEnd(own));
      return session.end.promise;
    });
  }

  [Symbol.dispose](): void {
    this.#joined[Symbol.dispose]();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#stopping.abort(new EasynetError("NODE_STOPPING", {}));
  }

  #onJoined({ did, via }: Peer): void {
    this.#timers.get(did)?.cancel();
    this.#timers.delete(did);
    if (via === undefined || !this.#begins(did)) return;
    const timer = this.#options.clock.setTimer(FIRST_PUNCH_DELAY_MS, () => {
      this.#timers.delete(did);
      void this.attempt(did);
    });
    this.#timers.set(did, timer);
  }

  #begins(did: Did): boolean {
    return this.#options.mesh.self < did && this.#isPossible(did);
  }

  #isPossible(did: Did): boolean {
    const isRelayed = this.#options.mesh.peer(did)?.via !== undefined;
    return isRelayed && !this.#sessions.has(did) && this.#sessions.size < PUNCHES_COUNT_MAX;
  }

  /** Another member begins. */
  #onOffer({ from, body }: MeshFrame): void {
    const theirs = decodePunchEnd(body);
    if (from > this.#options.mesh.self || !this.#isPossible(from)) return;
    void this.#run(from, { end: Promise.withResolvers() }, async (own) => {
      this.#send(from, "punch-answer", encodePunchEnd(own));
      return theirs;
    });
  }

  /** One attempt from start to end. @param agree tells the other end ours, and resolves with theirs */
  async #run(did: Did, session: Session, agree: (own: PunchEnd) => Promise<PunchEnd>): Promise<void> {
    const { clock, logger, metrics } = this.#options;
    const { signal: stopping } = this.#stopping;
    const timing = { clock, subject: `The punch to ${did}`, timeoutMs: PUNCH_TIMEOUT_MS, signal: stopping };
    using deadline = startDeadline(timing);
    this.#sessions.set(did, session);
    try {
      const own = await this.#ownEnd(did, deadline.signal);
      const theirs = await orAborted(agree(own), deadline.signal);
      await this.#connect(did, { own, theirs, signal: deadline.signal });
      metrics.count("easynet_punches_total", { outcome: "linked" });
      logger.info("a direct way through the routers", { peer: did, host: theirs.host });
    } catch (error) {
      metrics.count("easynet_punches_total", { outcome: "failed" });
      logger.debug("no way through the routers", { peer: did, code: toEasynetError(error).code });
    } finally {
      this.#sessions.delete(did);
    }
  }

  async #ownEnd(did: Did, signal: AbortSignal): Promise<PunchEnd> {
    const relay = this.#options.mesh.peer(did)?.via;
    if (relay === undefined) throw new EasynetError("PEER_UNREACHABLE", { peer: did, reason: "no relay is left" });
    const asked = this.#asked.get(relay) ?? Promise.withResolvers<string>();
    this.#asked.set(relay, asked);
    try {
      this.#send(relay, "seen-ask", NO_BODY);
      const host = await orAborted(asked.promise, signal);
      // Most routers keep the number of a port that is free on their outside; through others there is no way.
      return { host, port: await this.#sockets.freePort(host) };
    } finally {
      this.#asked.delete(relay);
    }
  }

  async #connect(did: Did, way: { own: PunchEnd; theirs: PunchEnd; signal: AbortSignal }): Promise<void> {
    const { mesh } = this.#options;
    const { own, theirs, signal } = way;
    const stream = await this.#sockets.open({ port: own.port, to: theirs, signal });
    const direction = mesh.self < did ? "outbound" : "inbound";
    const addressOf = (): string => `/${theirs.host.includes(":") ? "ip6" : "ip4"}/${theirs.host}/tcp/${theirs.port}`;
    const localHost: unknown = Reflect.get(stream, "localAddress");
    const connection = await this.#security.secure({
      stream,
      direction,
      signal,
      addressOf,
      once: true,
      ...(typeof localHost === "string" && { localHost }),
    });
    if (connection.remote !== did) {
      const reason = "another key answered";
      connection.abort(new Error(reason));
      throw new EasynetError("PEER_UNREACHABLE", { peer: did, reason });
    }
    mesh.adopt(connection);
  }

  /** Where the connection of a member comes from, as this end sees it. */
  #tellSeen(from: Did): void {
    const peer = this.#options.mesh.peer(from);
    const host = peer?.via === undefined ? /^\/ip[46]\/([^/]+)\//.exec(peer?.address ?? "")?.[1] : undefined;
    if (host !== undefined) this.#send(from, "seen-told", encodeSeenHost(host));
  }

  #send(to: Did, type: "seen-ask" | "seen-told" | "punch-offer" | "punch-answer", body: Uint8Array): void {
    this.#options.mesh.send(to, { lane: "normal", type: FRAME_TYPES[type], body });
  }
}

function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(toEasynetError(signal.reason));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject);
  });
}
