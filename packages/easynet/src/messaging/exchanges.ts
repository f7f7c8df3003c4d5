/**
 * Exchanges over the mesh: one task is one exchange. The caller opens it with its input, the provider answers with
 * events; both directions have byte credits like the streams of HTTP/2 (RFC 9113 section 5.2), large values travel in
 * parts. A small call is one frame each way and sets no timer. docs/protocol/exchanges.md has the bytes.
 */
import type { Did } from "../identity/index.ts";
import { type Clock, EasynetError, isEasynetError, toEasynetError } from "../kernel/index.ts";
import type { MeshFrame, Peer } from "../mesh/index.ts";
import { decodeValue, FRAME_TYPES } from "../wire/index.ts";
import { encodeErrorEvent } from "./error-event.ts";
import { FOR_INPUT, MORE, RESTART } from "./flags.ts";
import { ServedExchange } from "./incoming.ts";
import { defaultExchangeLimits, type ExchangeLimits, PART_BYTES } from "./limits.ts";
import { OutgoingExchange } from "./outgoing.ts";
import { decodeOpening, encodeRequest, type Opening } from "./request-codec.ts";
import { type ExchangePorts, Shared } from "./shared.ts";
import type { Exchange, ExchangeRequest, Exchanges, IncomingExchange, OpenOptions } from "./types.ts";

export interface ExchangesOptions extends ExchangePorts {
  readonly limits?: Partial<ExchangeLimits>;
}

/** Exchanges over `mesh`; claims the five exchange frame types of it. */
export function createExchanges(options: ExchangesOptions): Exchanges {
  return new MeshExchanges(options);
}

type Handler = (exchange: IncomingExchange) => Promise<void>;

/** The exchanges with one peer, for the life of one link. */
interface PeerExchanges {
  readonly linkedAtMs: number;
  readonly epoch: number;
  readonly outgoing: Map<number, OutgoingExchange>;
  readonly incoming: Map<number, ServedExchange>;
  lastCorrelation: number;
}

const CORRELATION_MAX = 0xffff_ffff;

class MeshExchanges implements Exchanges {
  readonly #shared: Shared;
  readonly #peers = new Map<Did, PeerExchanges>();
  readonly #listeners: Disposable[];
  #handler: Handler | undefined;
  #openCount = 0;
  #closed = false;

  constructor(options: ExchangesOptions) {
    const { mesh, limits } = options;
    this.#shared = new Shared(options, { ...defaultExchangeLimits, ...limits });
    mesh.handle(FRAME_TYPES["exchange-open"], (frame) => this.#onOpen(frame));
    mesh.handle(FRAME_TYPES["exchange-input"], (frame) => this.#served(frame)?.receiveInput(frame));
    mesh.handle(FRAME_TYPES["exchange-event"], (frame) => this.#opened(frame)?.receiveEvent(frame));
    mesh.handle(FRAME_TYPES["exchange-credit"], (frame) => this.#onCredit(frame));
    mesh.handle(FRAME_TYPES["exchange-cancel"], (frame) => this.#onCancel(frame));
    this.#listeners = [
      mesh.on("peer-joined", (peer) => this.#onJoined(peer)),
      mesh.on("peer-left", (peer, reason) => this.#onLeft(peer.did, reason)),
    ];
  }

  get openCount(): number {
    return this.#openCount;
  }

  openWith(peer: Did): number {
    const { outgoing, incoming } = this.#peers.get(peer) ?? {};
    return (outgoing?.size ?? 0) + (incoming?.size ?? 0);
  }

  open(to: Did, request: ExchangeRequest, options: OpenOptions = {}): Exchange {
    const { mesh, clock, limits, metrics, sweep } = this.#shared;
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    const timeoutMs = allowedMs(request, clock);
    refuseStopped(request, options.signal, timeoutMs);
    const remainingMs = timeoutMs === Infinity ? null : timeoutMs;
    const { body, payload } = encodeRequest(request, remainingMs, limits.inputBytesMax);
    const link = mesh.peer(to);
    if (!link) throw new EasynetError("PEER_UNREACHABLE", { peer: to, reason: "there is no link to it" });
    const peer = this.#peers.get(to) ?? this.#addPeer(link);
    const lane = this.#shared.laneOf(request);
    if (peer.outgoing.size >= limits.outgoingPerPeerMax) {
      throw new EasynetError("BACKPRESSURE", { peer: to, bytes: body.length, lane });
    }
    const correlation = nextCorrelation(peer);
    const type = FRAME_TYPES["exchange-open"];
    mesh.send(to, { lane, type, correlation, flags: payload ? MORE : 0, body });
    const { signal, onAccepted } = options;
    const onEnd = (ended: OutgoingExchange, outcome: string): void => {
      peer.outgoing.delete(ended.correlation);
      this.#openCount--;
      metrics.count("easynet_exchanges_ended_total", { side: "caller", outcome });
    };
    const outgoing = { shared: this.#shared, to, correlation, request, timeoutMs, signal, onAccepted, onEnd };
    const exchange = new OutgoingExchange(outgoing);
    peer.outgoing.set(correlation, exchange);
    this.#openCount++;
    sweep.watch(exchange);
    if (payload) exchange.sendRest(payload.subarray(PART_BYTES), PART_BYTES);
    return exchange;
  }

  serve(handler: Handler): void {
    this.#handler = handler;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    const error = new EasynetError("NODE_STOPPING", {});
    for (const peer of this.#peers.values()) {
      for (const exchange of peer.outgoing.values()) exchange.abandon(error, "stopping");
      for (const exchange of peer.incoming.values()) exchange.fail(error, "stopping");
    }
    this.#peers.clear();
    this.#shared.sweep.stop();
  }

  #onOpen(frame: MeshFrame): void {
    const { limits, metrics, mesh } = this.#shared;
    const link = mesh.peer(frame.from);
    if (!link) return;
    const peer = this.#peers.get(frame.from) ?? this.#addPeer(link);
    if (frame.correlation === 0 || peer.incoming.has(frame.correlation)) {
      this.#drop("duplicate");
      return;
    }
    let opening: Opening;
    try {
      opening = decodeOpening(frame.body);
    } catch (error) {
      const reason = isEasynetError(error) ? error.message : String(error);
      this.#refuse(frame, isEasynetError(error) ? error : new EasynetError("FRAME_MALFORMED", { reason }));
      return;
    }
    if (this.#closed) {
      this.#refuse(frame, new EasynetError("NODE_STOPPING", {}));
      return;
    }
    if (peer.incoming.size >= limits.incomingPerPeerMax) {
      this.#refuse(frame, new EasynetError("OVERLOADED", { subject: "This node", queued: peer.incoming.size }));
      return;
    }
    const exchange = new ServedExchange({
      shared: this.#shared,
      from: frame.from,
      correlation: frame.correlation,
      lane: frame.lane,
      opening,
      onReady: (ready) => void this.#run(ready),
      onEnd: (ended, outcome) => {
        peer.incoming.delete(ended.correlation);
        this.#openCount--;
        metrics.count("easynet_exchanges_ended_total", { side: "provider", outcome });
      },
    });
    peer.incoming.set(frame.correlation, exchange);
    this.#openCount++;
    exchange.start();
  }

  async #run(exchange: ServedExchange): Promise<void> {
    const { capability } = exchange;
    const handler = this.#handler;
    if (!handler) {
      exchange.fail(new EasynetError("CAPABILITY_UNKNOWN", { agent: this.#shared.mesh.self, capability }), "refused");
      return;
    }
    try {
      await handler(exchange);
    } catch (error) {
      exchange.fail(toEasynetError(error), "failed");
      return;
    }
    exchange.endIfSilent();
  }

  #onCredit(frame: MeshFrame): void {
    const exchange = frame.flags & FOR_INPUT ? this.#opened(frame) : this.#served(frame);
    if (!exchange) return;
    const bytes = decodeOr(frame.body, undefined);
    if (typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes > 0) exchange.receiveCredit(bytes);
    else this.#drop("malformed");
  }

  #onCancel(frame: MeshFrame): void {
    const exchange = this.#served(frame);
    if (!exchange) return;
    if (isLeave(frame.body)) exchange.lose("the caller let go of it");
    else exchange.stop(new EasynetError("CANCELLED", { subject: exchange.capability }));
  }

  #onJoined(peer: Peer): void {
    const known = this.#peers.get(peer.did);
    if (!known || (known.epoch === peer.epoch && known.linkedAtMs === peer.connectedAtMs)) return;
    this.#onLeft(peer.did, "the link was replaced");
  }

  #onLeft(did: Did, reason: string): void {
    const peer = this.#peers.get(did);
    if (!peer) return;
    this.#peers.delete(did);
    for (const exchange of peer.outgoing.values()) exchange.lose(reason);
    for (const exchange of peer.incoming.values()) exchange.lose(reason);
  }

  #addPeer(link: Peer): PeerExchanges {
    const peer: PeerExchanges = {
      linkedAtMs: link.connectedAtMs,
      epoch: link.epoch,
      outgoing: new Map(),
      incoming: new Map(),
      lastCorrelation: 0,
    };
    this.#peers.set(link.did, peer);
    return peer;
  }

  /** The exchange that this node opened; frames of one that ended are expected, and dropped. */
  #opened(frame: MeshFrame): OutgoingExchange | undefined {
    const exchange = this.#peers.get(frame.from)?.outgoing.get(frame.correlation);
    if (!exchange) this.#drop("unknown");
    return exchange;
  }

  #served(frame: MeshFrame): ServedExchange | undefined {
    const exchange = this.#peers.get(frame.from)?.incoming.get(frame.correlation);
    if (!exchange) this.#drop("unknown");
    return exchange;
  }

  /** Answers an opening that did not become an exchange. */
  #refuse(frame: MeshFrame, error: EasynetError): void {
    this.#shared.metrics.count("easynet_exchanges_refused_total", { code: error.code });
    const { lane, correlation, from } = frame;
    const type = FRAME_TYPES["exchange-event"];
    this.#shared.sendQuietly(from, { lane, type, correlation, flags: RESTART, body: encodeErrorEvent(error) });
  }

  #drop(reason: "unknown" | "duplicate" | "malformed"): void {
    this.#shared.metrics.count("easynet_exchange_frames_dropped_total", { reason });
  }
}

function allowedMs(request: ExchangeRequest, clock: Clock): number {
  const { deadlineAtMs } = request.envelope;
  return deadlineAtMs === undefined ? Infinity : deadlineAtMs - clock.nowMs();
}

function refuseStopped(request: ExchangeRequest, signal: AbortSignal | undefined, timeoutMs: number): void {
  if (signal?.aborted) {
    const reason: unknown = signal.reason;
    throw isEasynetError(reason) ? reason : new EasynetError("CANCELLED", { subject: request.capability });
  }
  if (timeoutMs <= 0) throw new EasynetError("DEADLINE_EXCEEDED", { subject: request.capability, timeoutMs: 0 });
}

/** Numbers rise and wrap; one that is still open is passed over. */
function nextCorrelation(peer: PeerExchanges): number {
  do peer.lastCorrelation = peer.lastCorrelation >= CORRELATION_MAX ? 1 : peer.lastCorrelation + 1;
  while (peer.outgoing.has(peer.lastCorrelation));
  return peer.lastCorrelation;
}

/** Nil for a reason: the caller goes, and its stored task goes on. Anything else, readable or not, cancels. */
function isLeave(body: Uint8Array): boolean {
  return decodeOr(body, undefined) === null;
}

function decodeOr(bytes: Uint8Array, fallback: undefined): unknown {
  try {
    return decodeValue(bytes);
  } catch {
    return fallback;
  }
}
