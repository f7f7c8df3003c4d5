import type { Did } from "../identity/index.ts";
import {
  type Clock,
  EasynetError,
  isEasynetError,
  type Logger,
  type Metrics,
  type Random,
  WakeTimer,
} from "../kernel/index.ts";
import { decodeValue, encodeValue, FRAME_TYPES, type Lane } from "../wire/index.ts";
import {
  GOSSIP_CONFIG,
  type GossipConfig,
  GossipCore,
  type GossipEffect,
  type GossipInput,
  type GossipMessage,
} from "./gossip-core.ts";
import { orRefuse, type RefusalOptions } from "./refusal.ts";
import type { Mesh, MeshFrame } from "./types.ts";

export interface GossipOptions {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly config?: Partial<GossipConfig>;
}

/** `from` is who passed it on, not who wrote it: what matters must be signed inside. `bytes` may be kept. */
export type GossipHandler = (from: Did, bytes: Uint8Array) => void;

/** Sends one payload to every member, over whoever passes it on. Best effort: what must not be lost is repaired above. */
export interface Gossip {
  readonly payloadBytesMax: number;
  /** @throws {EasynetError} FRAME_TOO_LARGE */
  publish(topic: string, bytes: Uint8Array): void;
  /** One handler per topic; without one a payload is passed on all the same. */
  handle(topic: string, handler: GossipHandler): void;
  stop(): void;
}

/** The broadcast of `mesh`; claims the `gossip` frame type of it. */
export function createGossip(options: GossipOptions): Gossip {
  return new GossipService(options);
}

/** First number of a `gossip` body (docs/protocol/gossip.md). */
const KIND = { push: 1, have: 2, want: 3, prune: 4 } as const;
const ID_LENGTH_MAX = 160;
const TOPIC_LENGTH_MAX = 64;
const IDS_COUNT_MAX = 1000;

class GossipService implements Gossip {
  readonly payloadBytesMax: number;
  readonly #options: GossipOptions;
  readonly #core: GossipCore;
  readonly #handlers = new Map<string, GossipHandler>();
  readonly #meshListeners: Disposable[];
  #number = 0;
  readonly #timer: WakeTimer;
  readonly #refusal: RefusalOptions;
  #running = true;

  constructor(options: GossipOptions) {
    const { mesh, clock, random } = options;
    this.#options = options;
    this.#refusal = { ...options, counter: "easynet_gossip_refused_total", what: "broadcast message" };
    const config = { ...GOSSIP_CONFIG, ...options.config };
    this.payloadBytesMax = config.payloadBytesMax;
    this.#timer = new WakeTimer(clock, () => this.#step({ kind: "tick" }));
    this.#core = new GossipCore({ config, random, nowMs: clock.monotonicMs() });
    mesh.handle(FRAME_TYPES.gossip, (frame) => this.#onFrame(frame));
    this.#meshListeners = [
      mesh.on("peer-joined", ({ did }) => this.#step({ kind: "link-up", peer: did })),
      mesh.on("peer-left", ({ did }) => this.#step({ kind: "link-down", peer: did })),
    ];
    for (const { did } of mesh.peers()) this.#step({ kind: "link-up", peer: did });
  }

  publish(topic: string, bytes: Uint8Array): void {
    const { payloadBytesMax: bytesMax } = this;
    if (bytes.length > bytesMax) throw new EasynetError("FRAME_TOO_LARGE", { bytes: bytes.length, bytesMax });
    const { self, epoch } = this.#options.mesh;
    const id = `${self}.${epoch.toString(36)}.${(++this.#number).toString(36)}`;
    this.#step({ kind: "publish", payload: { id, topic, bytes } });
  }

  handle(topic: string, handler: GossipHandler): void {
    this.#handlers.set(topic, handler);
  }

  stop(): void {
    this.#running = false;
    this.#timer.cancel();
    for (const listener of this.#meshListeners) listener[Symbol.dispose]();
  }

  #onFrame({ from, body }: MeshFrame): void {
    orRefuse(this.#refusal, from, () => {
      this.#step({ kind: "message", from, message: decodeGossip(body, this.payloadBytesMax) });
    });
  }

  #step(input: GossipInput): void {
    if (!this.#running) return;
    for (const effect of this.#core.step(input, this.#options.clock.monotonicMs())) this.#perform(effect);
    if (this.#running) this.#timer.set(this.#core.wakeAtMs);
  }

  #perform(effect: GossipEffect): void {
    if (effect.kind === "send") this.#send(effect);
    else if (effect.kind === "count") {
      this.#options.metrics.count("easynet_gossip_events_total", { event: effect.what });
    } else this.#handlers.get(effect.payload.topic)?.(effect.from, effect.payload.bytes);
  }

  #send({ to, message }: Extract<GossipEffect, { kind: "send" }>): void {
    const { mesh, metrics } = this.#options;
    // A payload waits its turn like other data; the few bytes that keep them complete pass by.
    const lane: Lane = message.kind === "push" ? "high" : "control";
    try {
      for (const body of encodeGossip(message)) mesh.send(to, { lane, type: FRAME_TYPES.gossip, body });
    } catch (error) {
      if (!isEasynetError(error)) throw error;
      metrics.count("easynet_gossip_unsent_total", { reason: error.code });
    }
  }
}

export function encodeGossip(message: GossipMessage): Uint8Array[] {
  if (message.kind === "push") {
    const { id, topic, bytes } = message.payload;
    return [encodeValue([KIND.push, message.hopsLeft, id, topic, bytes])];
  }
  if (message.kind === "prune") return [encodeValue([KIND.prune])];
  const pages: Uint8Array[] = [];
  for (let start = 0; start < message.ids.length; start += IDS_COUNT_MAX) {
    pages.push(encodeValue([KIND[message.kind], message.ids.slice(start, start + IDS_COUNT_MAX)]));
  }
  return pages;
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeGossip(body: Uint8Array, payloadBytesMax: number): GossipMessage {
  const fields = decodeValue(body);
  if (!Array.isArray(fields)) throw malformed("no list");
  const [kind, first, id, topic, bytes]: unknown[] = fields;
  if (kind === KIND.prune) return { kind: "prune" };
  if (kind === KIND.have || kind === KIND.want) {
    return { kind: kind === KIND.have ? "have" : "want", ids: idsFrom(first) };
  }
  if (kind !== KIND.push) throw malformed("its kind is unknown");
  if (typeof first !== "number" || !Number.isInteger(first) || first < 0 || first > 255) throw malformed("hops");
  if (!isText(id, ID_LENGTH_MAX) || !isText(topic, TOPIC_LENGTH_MAX)) throw malformed("its id or topic");
  if (!(bytes instanceof Uint8Array) || bytes.length > payloadBytesMax) throw malformed("its payload");
  return { kind: "push", hopsLeft: first, payload: { id, topic, bytes } };
}

function idsFrom(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length > IDS_COUNT_MAX) throw malformed("a list of ids");
  return value.map((id) => {
    if (!isText(id, ID_LENGTH_MAX)) throw malformed("an id");
    return id;
  });
}

function isText(value: unknown, lengthMax: number): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= lengthMax;
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `broadcast message: ${what}` });
}
