import type { Did } from "../identity/index.ts";
import { isEasynetError, type Metrics } from "../kernel/index.ts";
import type { Gossip, Mesh } from "../mesh/index.ts";
import type { NodeLoad } from "../model/index.ts";
import { FRAME_TYPES, type FrameType, type Lane } from "../wire/index.ts";
import type { Effect } from "./core-types.ts";
import {
  encodeBuckets,
  encodeDigest,
  encodeEntries,
  encodeLoad,
  encodeNews,
  encodeOwners,
  encodeSums,
  encodeWant,
} from "./messages.ts";

type SendEffect = Extract<Effect, { readonly to: Did }>;
type SpreadEffect = Extract<Effect, { readonly kind: "spread" }>;

export const DIRECTORY_TOPIC = "directory";
/** Short messages pass by whatever else is queued; entries carry cards and wait their turn. */
const ENTRIES_LANE: Lane = "normal";

/** Puts the core's messages on the mesh. What cannot be sent is counted: the next digest repairs it. */
export class DirectorySender {
  readonly #mesh: Mesh;
  readonly #metrics: Metrics;
  readonly #gossip: Gossip | undefined;

  constructor(mesh: Mesh, metrics: Metrics, gossip?: Gossip) {
    this.#mesh = mesh;
    this.#metrics = metrics;
    this.#gossip = gossip;
  }

  /** To everybody. A large record goes over each link: a broadcast would carry it around the network as one piece. */
  spread({ entry, to, broadcast }: SpreadEffect): void {
    const bodies = encodeEntries([entry]);
    const gossip = broadcast ? this.#gossip : undefined;
    if (gossip && bodies.every((body) => body.length <= gossip.payloadBytesMax)) {
      for (const body of bodies) gossip.publish(DIRECTORY_TOPIC, body);
    } else {
      for (const peer of to) this.#frames(peer, "directory-entries", bodies);
    }
  }

  send(effect: SendEffect): void {
    const { to } = effect;
    switch (effect.kind) {
      case "send-entries":
        this.#frames(to, "directory-entries", encodeEntries(effect.entries));
        break;
      case "send-digest":
        this.#frames(to, "directory-digest", encodeDigest(effect.lines));
        break;
      case "send-sums":
        this.#frames(to, "directory-digest", [encodeSums(effect.salt, effect.sums, effect.own)]);
        break;
      case "send-buckets":
        this.#frames(to, "directory-digest", encodeBuckets(effect.salt, effect.buckets));
        break;
      case "send-news":
        this.#frames(to, "directory-digest", encodeNews(effect.lines));
        break;
      case "send-want":
        this.#frames(to, "directory-digest", encodeWant(effect.versions));
        break;
      case "send-suspect":
        this.#frames(to, "directory-digest", encodeOwners("suspect", effect.owners));
        break;
      case "send-vouch":
        this.#frames(to, "directory-digest", encodeOwners("vouch", effect.owners));
        break;
    }
  }

  sendLoad(load: NodeLoad, to: readonly Did[]): void {
    const body = encodeLoad(load);
    for (const peer of to) this.#frames(peer, "load", [body]);
  }

  /** Resolves when what was sent so far has left, or cannot leave any more. */
  async drained(): Promise<void> {
    const peers = this.#mesh.peers();
    await Promise.allSettled(peers.map(({ did }) => this.#mesh.drained(did, ENTRIES_LANE)));
  }

  #frames(to: Did, type: FrameType, bodies: readonly Uint8Array[]): void {
    const lane = type === "directory-entries" ? ENTRIES_LANE : "control";
    try {
      for (const body of bodies) this.#mesh.send(to, { lane, type: FRAME_TYPES[type], body });
    } catch (error) {
      if (!isEasynetError(error)) throw error;
      this.#metrics.count("easynet_directory_messages_unsent_total", { type, reason: error.code });
    }
  }
}
