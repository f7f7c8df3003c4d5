/**
 * Epidemic broadcast as a pure state machine, in the manner of Plumtree (Leitão, Pereira, Rodrigues 2007): a payload is
 * pushed at once to a few eager peers and announced by its id to others; who gets it twice asks the second sender to
 * announce only, so that the eager links become a tree, and who misses what was announced asks for it and mends the tree.
 */
import type { Did } from "../identity/index.ts";
import { type Random, sample } from "../kernel/index.ts";
import { ByteBudget, SeenCache } from "./gossip-cache-core.ts";

export interface GossipConfig {
  /** Peers that get a payload at once. */
  readonly fanout: number;
  /** Further peers that are told its id. */
  readonly lazyFanout: number;
  /** Steps that a payload may take. */
  readonly hopsMax: number;
  /** When an id is announced at the latest after its payload came, ms; each time to other peers. */
  readonly announceMs: readonly number[];
  /** What was announced is waited for this long before it is asked for, ms. */
  readonly patienceMs: number;
  /** Then the next announcer is asked, ms. */
  readonly retryMs: number;
  /** Ids remembered, so that nothing is taken twice; the oldest goes out. */
  readonly seenCountMax: number;
  /** Payloads kept for those who ask; the oldest goes out, its id stays. */
  readonly keptBytesMax: number;
  /** Payload bytes that this node sends per second; above, payloads are announced and not pushed. */
  readonly bytesPerSecondMax: number;
  /** One payload. */
  readonly payloadBytesMax: number;
  /** Announced payloads that are waited for; a further one is ignored. */
  readonly missingCountMax: number;
}

export const GOSSIP_CONFIG: GossipConfig = {
  fanout: 3,
  lazyFanout: 3,
  hopsMax: 24,
  announceMs: [20, 200, 1000],
  patienceMs: 20,
  retryMs: 500,
  seenCountMax: 8192,
  keptBytesMax: 8 * 1024 * 1024,
  bytesPerSecondMax: 4 * 1024 * 1024,
  payloadBytesMax: 256 * 1024,
  missingCountMax: 4096,
};

export interface Payload {
  /** Unique: who sent it first, which process, and a count. */
  readonly id: string;
  readonly topic: string;
  readonly bytes: Uint8Array;
}

export type GossipMessage =
  | { readonly kind: "push"; readonly hopsLeft: number; readonly payload: Payload }
  /** I have these. */
  | { readonly kind: "have"; readonly ids: readonly string[] }
  /** Send me these, and from now on push. */
  | { readonly kind: "want"; readonly ids: readonly string[] }
  /** I had that: announce from now on. */
  | { readonly kind: "prune" };

export type GossipInput =
  | { readonly kind: "link-up"; readonly peer: Did }
  | { readonly kind: "link-down"; readonly peer: Did }
  | { readonly kind: "publish"; readonly payload: Payload }
  | { readonly kind: "message"; readonly from: Did; readonly message: GossipMessage }
  | { readonly kind: "tick" };

export type GossipEffect =
  | { readonly kind: "send"; readonly to: Did; readonly message: GossipMessage }
  | { readonly kind: "deliver"; readonly from: Did; readonly payload: Payload }
  | { readonly kind: "count"; readonly what: "duplicate" | "throttled" | "missing-limit" | "given-up" };

interface Missing {
  readonly announcers: Did[];
  askAtMs: number;
}

/** Announcers remembered of one payload. */
const ANNOUNCERS_COUNT_MAX = 4;

export class GossipCore {
  readonly #config: GossipConfig;
  readonly #random: Random;
  readonly #links = new Set<Did>();
  readonly #eager = new Set<Did>();
  readonly #seen: SeenCache;
  readonly #budget: ByteBudget;
  readonly #missing = new Map<string, Missing>();
  /** Ids to be announced, by the round that is next, each oldest first. */
  readonly #fresh: { readonly id: string; readonly atMs: number }[][];
  #effects: GossipEffect[] = [];
  #nowMs: number;

  constructor(options: { readonly config: GossipConfig; readonly random: Random; readonly nowMs: number }) {
    this.#config = options.config;
    this.#random = options.random;
    this.#nowMs = options.nowMs;
    this.#seen = new SeenCache(options.config);
    this.#budget = new ByteBudget(options.config.bytesPerSecondMax, options.nowMs);
    this.#fresh = options.config.announceMs.map(() => []);
  }

  /** Monotonic ms at which a `tick` is due. */
  get wakeAtMs(): number {
    let wakeAtMs = Math.min(...this.#fresh.map(([first]) => first?.atMs ?? Infinity));
    for (const { askAtMs } of this.#missing.values()) wakeAtMs = Math.min(wakeAtMs, askAtMs);
    return wakeAtMs;
  }

  step(input: GossipInput, nowMs: number): GossipEffect[] {
    this.#nowMs = nowMs;
    this.#effects = [];
    if (input.kind === "link-up") this.#linkUp(input.peer);
    else if (input.kind === "link-down") this.#linkDown(input.peer);
    else if (input.kind === "publish") this.#take(input.payload, this.#config.hopsMax, undefined);
    else if (input.kind === "message") this.#receive(input.from, input.message);
    else this.#tick();
    return this.#effects;
  }

  #linkUp(peer: Did): void {
    this.#links.add(peer);
    const { fanout } = this.#config;
    if (this.#eager.size >= fanout) {
      // Every peer has the same chance to be eager, and not those that came first: they would be everybody's.
      if (this.#random.next() * this.#links.size >= fanout) return;
      for (const replaced of sample(this.#random, [...this.#eager], 1)) this.#eager.delete(replaced);
    }
    this.#eager.add(peer);
  }

  #linkDown(peer: Did): void {
    this.#links.delete(peer);
    this.#eager.delete(peer);
    this.#fillEager();
  }

  #fillEager(): void {
    const lackingCount = this.#config.fanout - this.#eager.size;
    if (lackingCount <= 0) return;
    for (const peer of sample(this.#random, this.#lazy(), lackingCount)) this.#eager.add(peer);
  }

  #lazy(): Did[] {
    return [...this.#links].filter((peer) => !this.#eager.has(peer));
  }

  #receive(from: Did, message: GossipMessage): void {
    if (!this.#links.has(from)) return;
    switch (message.kind) {
      case "push":
        return this.#onPush(from, message);
      case "have":
        return message.ids.forEach((id) => this.#onHave(from, id));
      case "want":
        this.#eager.add(from);
        return message.ids.forEach((id) => this.#onWant(from, id));
      case "prune":
        this.#eager.delete(from);
    }
  }

  #onPush(from: Did, { hopsLeft, payload }: Extract<GossipMessage, { kind: "push" }>): void {
    if (this.#seen.has(payload.id)) {
      this.#effects.push({ kind: "count", what: "duplicate" });
      this.#eager.delete(from);
      this.#effects.push({ kind: "send", to: from, message: { kind: "prune" } });
      return;
    }
    this.#eager.add(from);
    this.#take(payload, Math.min(hopsLeft, this.#config.hopsMax) - 1, from);
    this.#effects.push({ kind: "deliver", from, payload });
  }

  /** Keeps, pushes and announces what is new here. */
  #take(payload: Payload, hopsLeft: number, from: Did | undefined): void {
    this.#seen.add(payload, hopsLeft);
    this.#missing.delete(payload.id);
    if (hopsLeft <= 0) return;
    if (from === undefined && this.#eager.size === 0) this.#fillEager();
    for (const peer of this.#eager) if (peer !== from) this.#push(peer, payload, hopsLeft);
    this.#announceLater(payload.id, 0);
  }

  #push(to: Did, payload: Payload, hopsLeft: number): void {
    if (this.#budget.take(payload.bytes.length, this.#nowMs)) {
      this.#effects.push({ kind: "send", to, message: { kind: "push", hopsLeft, payload } });
    } else {
      this.#effects.push({ kind: "count", what: "throttled" });
      this.#effects.push({ kind: "send", to, message: { kind: "have", ids: [payload.id] } });
    }
  }

  #onHave(from: Did, id: string): void {
    if (this.#seen.has(id)) return;
    const missing = this.#missing.get(id);
    if (missing) {
      if (missing.announcers.length < ANNOUNCERS_COUNT_MAX) missing.announcers.push(from);
    } else if (this.#missing.size >= this.#config.missingCountMax) {
      this.#effects.push({ kind: "count", what: "missing-limit" });
    } else {
      this.#missing.set(id, { announcers: [from], askAtMs: this.#nowMs + this.#config.patienceMs });
    }
  }

  #onWant(from: Did, id: string): void {
    const kept = this.#seen.get(id);
    if (!kept) return;
    if (this.#budget.take(kept.payload.bytes.length, this.#nowMs)) {
      const hopsLeft = Math.max(1, kept.hopsLeft);
      this.#effects.push({ kind: "send", to: from, message: { kind: "push", hopsLeft, payload: kept.payload } });
    } else {
      this.#effects.push({ kind: "count", what: "throttled" });
    }
  }

  #tick(): void {
    for (const round of this.#fresh.keys()) this.#announce(round);
    const wanted = new Map<Did, string[]>();
    for (const [id, missing] of this.#missing) {
      if (missing.askAtMs > this.#nowMs) continue;
      const announcer = missing.announcers.shift();
      if (announcer === undefined) {
        this.#missing.delete(id);
        this.#effects.push({ kind: "count", what: "given-up" });
        continue;
      }
      missing.askAtMs = this.#nowMs + this.#config.retryMs;
      const ids = wanted.get(announcer) ?? [];
      ids.push(id);
      wanted.set(announcer, ids);
    }
    for (const [to, ids] of wanted) {
      if (!this.#links.has(to)) continue;
      this.#eager.add(to);
      this.#effects.push({ kind: "send", to, message: { kind: "want", ids } });
    }
  }

  #announceLater(id: string, round: number): void {
    const delayMs = this.#config.announceMs[round];
    if (delayMs !== undefined) this.#fresh[round]?.push({ id, atMs: this.#nowMs + delayMs });
  }

  /** All of a round as soon as one is due: however many payloads come, a round is one message per peer and delay. */
  #announce(round: number): void {
    const all = this.#fresh[round] ?? [];
    const [oldest] = all;
    if (!oldest || oldest.atMs > this.#nowMs) return;
    const ids = all.splice(0).map(({ id }) => id);
    for (const to of sample(this.#random, this.#lazy(), this.#config.lazyFanout)) {
      this.#effects.push({ kind: "send", to, message: { kind: "have", ids } });
    }
    for (const id of ids) this.#announceLater(id, round + 1);
  }
}
