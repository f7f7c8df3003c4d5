/** What one node hands to a holder for one recipient that is away: which holder, how far, and what is to be done again. */
import { hash } from "node:crypto";
import type { Did } from "../../identity/index.ts";
import { type Position, START } from "../delivery/position.ts";
import { HANDING_COUNT_MAX, HOLDER_AVOIDED_MS, HOLDER_TIMEOUT_MS } from "./limits.ts";

interface Handed {
  readonly lane: number;
  /** How far its lane was handed before it. */
  readonly before: Position;
  readonly againAtMs: number;
}

export class HandingCore {
  readonly recipient: Did;
  #holder: Did | undefined;
  /** The last position of each lane that went to the holder. */
  readonly #reached: Position[] = [START, START, START, START];
  /** The holder may have dropped what it kept of a lane; Infinity while it has nothing. */
  readonly #lapseAtMs = [Infinity, Infinity, Infinity, Infinity];
  readonly #under = new Map<string, Handed>();
  readonly #avoided = new Map<Did, number>();

  constructor(recipient: Did) {
    this.recipient = recipient;
  }

  get holder(): Did | undefined {
    return this.#holder;
  }

  /** Nothing waits for the holder's word. */
  get isIdle(): boolean {
    return this.#under.size === 0;
  }

  get mayHand(): boolean {
    return this.#holder !== undefined && this.#under.size < HANDING_COUNT_MAX;
  }

  reached(lane: number): Position {
    return this.#reached[lane] ?? START;
  }

  /** Up to where the holder said that it has everything. */
  kept(lane: number): Position {
    for (const handed of this.#under.values()) if (handed.lane === lane) return handed.before;
    return this.reached(lane);
  }

  /**
   * Who holds it from now on: as before, or the best of the offers. All senders agree who is best for a recipient
   * (rendezvous hashing, Thaler and Ravishankar 1996), so that what belongs together mostly lies together.
   */
  choose(offers: readonly Did[], nowMs: number): Did | undefined {
    const usable = offers.filter((did) => did !== this.recipient && (this.#avoided.get(did) ?? 0) <= nowMs);
    if (this.#holder !== undefined && usable.includes(this.#holder)) return this.#holder;
    this.#restart();
    this.#holder = ranked(this.recipient, usable)[0];
    return this.#holder;
  }

  /** A batch, the next of its lane, is on its way to the holder. */
  sent(key: string, at: { readonly lane: number; readonly end: Position }, nowMs: number): void {
    const { lane, end } = at;
    this.#under.set(key, { lane, before: this.reached(lane), againAtMs: nowMs + HOLDER_TIMEOUT_MS });
    this.#reached[lane] = end;
  }

  /** The holder has it on disk, for so long. */
  onKept(key: string, keepMs: number, nowMs: number): void {
    const handed = this.#under.get(key);
    if (!handed) return;
    this.#under.delete(key);
    const { lane } = handed;
    // A quarter before: clocks of two machines do not run alike.
    const lapseAtMs = nowMs + keepMs * 0.75;
    const before = this.#lapseAtMs[lane] ?? Infinity;
    this.#lapseAtMs[lane] = before === Infinity ? lapseAtMs : Math.max(before, lapseAtMs);
  }

  /** The holder refused, or is gone: the next one gets everything. */
  failed(nowMs: number): void {
    if (this.#holder !== undefined) this.#avoided.set(this.#holder, nowMs + HOLDER_AVOIDED_MS);
    this.#holder = undefined;
    this.#restart();
  }

  /** Whether the holder was silent for too long. What it may have dropped is to be handed to it again. */
  tick(nowMs: number): "ok" | "silent" {
    for (const [lane, lapseAtMs] of this.#lapseAtMs.entries()) if (lapseAtMs <= nowMs) this.#restartLane(lane);
    for (const [did, untilMs] of this.#avoided) if (untilMs <= nowMs) this.#avoided.delete(did);
    return [...this.#under.values()].some(({ againAtMs }) => againAtMs <= nowMs) ? "silent" : "ok";
  }

  #restart(): void {
    this.#under.clear();
    for (let lane = 0; lane < this.#reached.length; lane++) this.#restartLane(lane);
  }

  #restartLane(lane: number): void {
    this.#reached[lane] = START;
    this.#lapseAtMs[lane] = Infinity;
  }
}

/** The offers, the best for this recipient first. */
export function ranked(recipient: Did, offers: readonly Did[]): readonly Did[] {
  const weight = (did: Did): string => hash("sha256", `${recipient} ${did}`, "hex");
  return [...offers].sort((left, right) => (weight(left) < weight(right) ? 1 : -1));
}
