import type { Did } from "../identity/index.ts";
import { backoffMs, type Random } from "../kernel/index.ts";
import { FULL_MESH_COUNT_MAX, firstOf, Ranking, viewCount } from "./active-view-core.ts";

export type RedialInput =
  /** Dialling may begin; what is learnt before waits. */
  | { readonly kind: "start" }
  /** Addresses learnt from elsewhere; a forgotten peer is known again. */
  | { readonly kind: "learn"; readonly did: Did; readonly addresses: readonly string[] }
  | { readonly kind: "forget"; readonly did: Did }
  /** Somebody wants a link to a known peer now, whether or not it is one to keep. */
  | { readonly kind: "reach"; readonly did: Did }
  /** A link exists. `addresses` of its hello; `dialled` the one that worked, if we dialled. */
  | {
      readonly kind: "linked";
      readonly did: Did;
      readonly addresses: readonly string[];
      readonly dialled?: string | undefined;
    }
  | { readonly kind: "lost"; readonly did: Did }
  /** A dial ended without a link. `terminal`: the other side will not change its mind soon. */
  | { readonly kind: "failed"; readonly did: Did; readonly terminal: boolean }
  /** The machine's own network changed: what failed before may work now. */
  | { readonly kind: "network-changed" }
  /** Time has passed. */
  | { readonly kind: "tick" };

export interface RedialPlan {
  /** To be dialled now, each address in turn; each ends in an input `linked` or `failed`. */
  readonly dials: readonly { readonly did: Did; readonly addresses: readonly string[] }[];
  /** Monotonic ms at which the next `tick` is due; Infinity = none. */
  readonly wakeAtMs: number;
  /** True when a peer was not stored, because too many are known. */
  readonly full: boolean;
}

export interface RedialOptions {
  readonly baseMs: number;
  readonly capMs: number;
  /** The cap for a peer that was linked less than `freshMs` ago: it is likely to come back. @default capMs */
  readonly freshCapMs?: number;
  /** @default 0 */
  readonly freshMs?: number;
  readonly dialsCountMax: number;
  readonly knownCountMax: number;
  readonly random: Random;
  /** This node: decides whom it prefers where there are many. */
  readonly self: Did;
  /** Up to this many known peers a link is kept to each; with more, to an active view. @default FULL_MESH_COUNT_MAX */
  readonly fullMeshCountMax?: number;
}

interface Known {
  /** As the peer tells them: those of the interfaces that it has now. */
  addresses: readonly string[];
  /**
   * The last that a link came of, newest first. They are tried even when the peer has not told them for a while: if it
   * told of a lost interface and then all links broke, nobody can tell that the interface is back.
   */
  worked: readonly string[];
  attempt: number;
  dueAtMs: number;
  /** When the last link to it ended; -Infinity = there was none. */
  lostAtMs: number;
  state: "waiting" | "dialling" | "linked";
}

const ADDRESSES_PER_PEER_MAX = 8;
/** A dial to an address that is gone for good takes seconds, in which the others wait. */
const WORKED_PER_PEER_MAX = 2;
/** From here on the delay has reached its cap, whatever the base. */
const ATTEMPT_MAX = 30;
/** Dials in vain after which another peer takes the place in the active view until the next try is due. */
const ATTEMPTS_IN_VIEW_MAX = 3;

/** Decides which known peers are dialled when: full jitter, few at once, fresh peers before hopeless ones. */
export class Redial {
  readonly #options: RedialOptions;
  readonly #known = new Map<Did, Known>();
  readonly #ranking: Ranking;
  /** Links that were asked for, without an outcome yet. */
  readonly #asked = new Set<Did>();
  /** Forgotten on purpose; what such a peer says of itself is not stored. Oldest out at the limit. */
  readonly #forgotten = new Set<Did>();
  #diallingCount = 0;
  #started = false;

  constructor(options: RedialOptions) {
    this.#options = options;
    this.#ranking = new Ranking(options.self);
  }

  get knownCount(): number {
    return this.#known.size;
  }

  /** Known peers, linked or not. */
  known(): Iterable<Did> {
    return this.#known.keys();
  }

  has(did: Did): boolean {
    return this.#known.has(did);
  }

  /** Whether a link to a known peer is kept without anybody's asking. */
  keeps(did: Did, nowMs: number): boolean {
    return this.#known.has(did) && (this.isFullMesh || this.#view(nowMs).has(did));
  }

  /** Few enough are known for a link to each. */
  get isFullMesh(): boolean {
    return this.#known.size <= (this.#options.fullMeshCountMax ?? FULL_MESH_COUNT_MAX);
  }

  /** The peers of the active view: the preferred ones, without those that cannot be reached at present. */
  #view(nowMs: number): Set<Did> {
    return firstOf(this.#ranking, viewCount(this.#known.size + 1), (did) => {
      const known = this.#known.get(did);
      if (known?.state !== "waiting") return known !== undefined;
      return known.addresses.length > 0 && (known.attempt < ATTEMPTS_IN_VIEW_MAX || known.dueAtMs <= nowMs);
    });
  }

  /** Those that may be dialled now or later. */
  #wanted(nowMs: number): Iterable<Did> {
    return this.isFullMesh ? this.#known.keys() : this.#view(nowMs).union(this.#asked);
  }

  step(input: RedialInput, nowMs: number): RedialPlan {
    const full = this.#apply(input, nowMs);
    const dials: { did: Did; addresses: readonly string[] }[] = [];
    while (this.#started && this.#diallingCount < this.#options.dialsCountMax) {
      const next = this.#next(nowMs);
      if (!next) break;
      next.known.state = "dialling";
      this.#diallingCount++;
      const { addresses, worked } = next.known;
      dials.push({ did: next.did, addresses: [...new Set([...addresses, ...worked])] });
    }
    return { dials, wakeAtMs: this.#wakeAtMs(nowMs), full };
  }

  /** True when there was no room. */
  #apply(input: RedialInput, nowMs: number): boolean {
    switch (input.kind) {
      case "start":
        this.#started = true;
        break;
      case "learn":
        this.#forgotten.delete(input.did);
        return !this.#store(input.did, input.addresses, nowMs);
      case "forget":
        this.#forget(input.did);
        break;
      case "reach":
        this.#reach(input.did, nowMs);
        break;
      case "linked":
        return this.#onLinked(input, nowMs);
      case "lost":
        this.#lost(input.did, nowMs);
        break;
      case "failed":
        this.#asked.delete(input.did);
        this.#wait(input.did, input.terminal ? ATTEMPT_MAX : (this.#known.get(input.did)?.attempt ?? 0) + 1, nowMs);
        break;
      case "network-changed":
        for (const known of this.#known.values()) {
          known.attempt = 0;
          if (known.state === "waiting") known.dueAtMs = nowMs;
        }
        break;
      case "tick":
        break;
    }
    return false;
  }

  #onLinked(input: RedialInput & { kind: "linked" }, nowMs: number): boolean {
    const { did, addresses, dialled } = input;
    const own = this.#known.get(did)?.addresses ?? [];
    // What worked comes first next time.
    const merged = [...new Set([...(dialled === undefined ? [] : [dialled]), ...own, ...addresses])];
    const stored = this.#forgotten.has(did) || merged.length === 0 || this.#store(did, merged, nowMs);
    const known = this.#known.get(did);
    this.#asked.delete(did);
    if (!known) return !stored;
    this.#setState(known, "linked");
    if (dialled !== undefined) {
      known.worked = [...new Set([dialled, ...known.worked])].slice(0, WORKED_PER_PEER_MAX);
    }
    return !stored;
  }

  #store(did: Did, addresses: readonly string[], nowMs: number): boolean {
    const bounded = addresses.slice(0, ADDRESSES_PER_PEER_MAX);
    const known = this.#known.get(did);
    if (known) {
      const changed = bounded.some((address) => !known.addresses.includes(address));
      known.addresses = bounded;
      // A new address is worth a try at once.
      if (changed && known.state === "waiting") known.dueAtMs = nowMs;
      return true;
    }
    if (this.#known.size >= this.#options.knownCountMax) return false;
    const fresh = { attempt: 0, dueAtMs: nowMs, lostAtMs: -Infinity, state: "waiting" } as const;
    this.#known.set(did, { addresses: bounded, worked: [], ...fresh });
    this.#ranking.add(did);
    return true;
  }

  #reach(did: Did, nowMs: number): void {
    const known = this.#known.get(did);
    if (!known || known.state === "linked") return;
    this.#asked.add(did);
    if (known.state === "waiting") known.dueAtMs = nowMs;
  }

  #forget(did: Did): void {
    const known = this.#known.get(did);
    if (known?.state === "dialling") this.#diallingCount--;
    if (known) this.#ranking.delete(did);
    this.#known.delete(did);
    this.#asked.delete(did);
    this.#forgotten.add(did);
    if (this.#forgotten.size > this.#options.knownCountMax) {
      for (const oldest of this.#forgotten) {
        this.#forgotten.delete(oldest);
        break;
      }
    }
  }

  #lost(did: Did, nowMs: number): void {
    const known = this.#known.get(did);
    if (known) known.lostAtMs = nowMs;
    this.#wait(did, 0, nowMs);
  }

  #wait(did: Did, attempt: number, nowMs: number): void {
    const known = this.#known.get(did);
    if (!known) return;
    const { baseMs, random, freshMs = 0 } = this.#options;
    known.attempt = Math.min(attempt, ATTEMPT_MAX);
    const isFresh = attempt < ATTEMPT_MAX && nowMs - known.lostAtMs < freshMs;
    const capMs = (isFresh ? this.#options.freshCapMs : undefined) ?? this.#options.capMs;
    known.dueAtMs = nowMs + backoffMs(known.attempt, { baseMs, capMs }, random);
    this.#setState(known, "waiting");
  }

  #setState(known: Known, state: "waiting" | "linked"): void {
    if (known.state === "dialling") this.#diallingCount--;
    known.state = state;
    if (state === "linked") known.attempt = 0;
  }

  #next(nowMs: number): { did: Did; known: Known } | undefined {
    let best: { did: Did; known: Known } | undefined;
    for (const did of this.#wanted(nowMs)) {
      const known = this.#known.get(did);
      if (known?.state !== "waiting" || known.dueAtMs > nowMs || known.addresses.length === 0) continue;
      if (!best || known.attempt < best.known.attempt) best = { did, known };
    }
    return best;
  }

  #wakeAtMs(nowMs: number): number {
    if (!this.#started || this.#diallingCount >= this.#options.dialsCountMax) return Infinity;
    let wakeAtMs = Infinity;
    for (const did of this.#wanted(nowMs)) {
      const known = this.#known.get(did);
      if (known?.state !== "waiting" || known.addresses.length === 0) continue;
      wakeAtMs = Math.min(wakeAtMs, known.dueAtMs);
    }
    return wakeAtMs;
  }
}
