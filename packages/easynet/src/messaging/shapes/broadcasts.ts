import { type Did, isDid, type KeyPair, verifySignature } from "../../identity/index.ts";
import { type Clock, createId, isEasynetError } from "../../kernel/index.ts";
import type { Gossip } from "../../mesh/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { BROADCAST_AGE_MS_MAX, BROADCASTS_SEEN_MAX } from "./limits.ts";

const TOPIC = "message";
/** What is signed starts with this, so that no other signature of a node can pass for one of a broadcast. */
const CONTEXT = "easynet broadcast 1";
const ID_LENGTH_MAX = 60;
const KIND_LENGTH_MAX = 128;

/** A message to everybody as it is signed. */
export interface Broadcast {
  readonly id: string;
  readonly sender: Did;
  readonly kind: string;
  readonly payload: unknown;
  /** The agent that speaks; absent = the node. */
  readonly from: string | undefined;
  readonly sentAtMs: number;
}

export interface BroadcastsOptions {
  readonly gossip: Gossip;
  readonly keyPair: KeyPair;
  readonly clock: Clock;
  readonly deliver: (broadcast: Broadcast) => void;
  readonly onRefused: (reason: string) => void;
}

/**
 * Messages to every node over the mesh's gossip: volatile, unordered, at most once each. Gossip proves who passed a
 * message on, not who wrote it, so each is signed by its author; one of more than five minutes ago, or one that came
 * before, is refused, whoever sends it again.
 */
export class Broadcasts {
  readonly #options: BroadcastsOptions;
  /** Ids of the last minutes, oldest first. */
  readonly #seen = new Set<string>();

  constructor(options: BroadcastsOptions) {
    this.#options = options;
    options.gossip.handle(TOPIC, (_from, bytes) => this.#receive(bytes));
  }

  /** @throws {EasynetError} FRAME_TOO_LARGE, INVALID_ARGUMENT */
  publish(kind: string, payload: unknown, from: string | undefined): string {
    const { gossip, keyPair, clock } = this.#options;
    const sentAtMs = clock.nowMs();
    const id = createId(sentAtMs);
    const signed = encodeValue([CONTEXT, id, keyPair.did, kind, from ?? null, sentAtMs, payload]);
    gossip.publish(TOPIC, encodeValue([signed, keyPair.sign(signed)]));
    return id;
  }

  #receive(bytes: Uint8Array): void {
    const { clock, keyPair, deliver, onRefused } = this.#options;
    const broadcast = readBroadcast(bytes);
    if (!broadcast) return onRefused("malformed");
    if (Math.abs(clock.nowMs() - broadcast.sentAtMs) > BROADCAST_AGE_MS_MAX) return onRefused("too-old");
    const name = `${broadcast.sender} ${broadcast.id}`;
    if (broadcast.sender === keyPair.did || this.#seen.has(name)) return onRefused("repeated");
    this.#seen.add(name);
    const oldest = this.#seen.values().next();
    if (this.#seen.size > BROADCASTS_SEEN_MAX && !oldest.done) this.#seen.delete(oldest.value);
    deliver(broadcast);
  }
}

/** Undefined for what is none, or was not signed by who it says. */
function readBroadcast(bytes: Uint8Array): Broadcast | undefined {
  try {
    const outer = decodeValue(bytes);
    if (!Array.isArray(outer)) return undefined;
    const [signed, signature]: unknown[] = outer;
    if (!(signed instanceof Uint8Array) || !(signature instanceof Uint8Array)) return undefined;
    const fields = decodeValue(signed);
    if (!Array.isArray(fields)) return undefined;
    const [context, id, sender, kind, from, sentAtMs, payload]: unknown[] = fields;
    if (context !== CONTEXT || !isText(id, ID_LENGTH_MAX) || !isText(kind, KIND_LENGTH_MAX)) return undefined;
    if (typeof sender !== "string" || !isDid(sender) || typeof sentAtMs !== "number") return undefined;
    if (from !== null && !isText(from, KIND_LENGTH_MAX)) return undefined;
    if (!verifySignature(sender, signed, signature)) return undefined;
    return { id, sender, kind, payload, from: from ?? undefined, sentAtMs };
  } catch (error) {
    if (!isEasynetError(error)) throw error;
    return undefined;
  }
}

function isText(value: unknown, lengthMax: number): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= lengthMax;
}
