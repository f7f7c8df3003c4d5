/**
 * Who may run now: slots of the node, a limit per lane (one lane = one capability of one agent), and a bounded queue.
 * Waiting tasks start in the order of `enqueuedAtMs + rank * AGING_MS_PER_RANK`: a more urgent task goes first, but
 * one that waited long enough is overtaken no more (virtual deadlines as in earliest-deadline-first; a fixed key per
 * task, so nothing must be re-sorted while time passes). Deterministic: time comes in as a number.
 */

/** How long a task must wait to count as one rank more urgent, in ms: `low` passes new `critical` after 30 s. */
export const AGING_MS_PER_RANK = 10_000;
/** Ranks of priority.ts: 0 critical to 3 low. */
const RANKS = [0, 1, 2, 3] as const;

export interface AdmissionLimits {
  /** Tasks that run at once, >= 1. */
  readonly slots: number;
  /** Tasks that wait at most, >= 0; at the limit newcomers are refused. */
  readonly queueCountMax: number;
}

/** Tasks that share one concurrency limit. Create with {@link createLane}; only Admission changes it. */
export interface Lane<Item> {
  readonly concurrency: number;
  running: number;
  /** Waiting tasks by rank, each in order of arrival. */
  readonly waiting: readonly Set<Ticket<Item>>[];
  waitingCount: number;
}

/** A place in the queue. */
export interface Ticket<Item> {
  readonly lane: Lane<Item>;
  readonly item: Item;
  readonly rank: number;
  /** Smaller starts first. */
  readonly key: number;
  readonly order: number;
}

export type Verdict<Item> =
  | { readonly kind: "started" }
  | { readonly kind: "queued"; readonly ticket: Ticket<Item> }
  /** The queue is full; nothing was kept. */
  | { readonly kind: "refused" };

const STARTED = { kind: "started" } as const;
const REFUSED = { kind: "refused" } as const;

/** @param concurrency tasks of this lane that run at once, >= 1 */
export function createLane<Item>(concurrency: number): Lane<Item> {
  return { concurrency, running: 0, waiting: RANKS.map(() => new Set<Ticket<Item>>()), waitingCount: 0 };
}

export interface Arrival<Item> {
  readonly lane: Lane<Item>;
  readonly item: Item;
  /** 0 (critical) to 3 (low). */
  readonly rank: number;
}

export class Admission<Item> {
  readonly #limits: AdmissionLimits;
  /** Lanes with waiting tasks; at most queueCountMax. */
  readonly #waitingLanes = new Set<Lane<Item>>();
  #running = 0;
  #queued = 0;
  #order = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#running;
  }

  get queued(): number {
    return this.#queued;
  }

  /** Would a task of `lane` be refused now? */
  refuses(lane: Lane<Item>): boolean {
    return !this.#hasRoom(lane) && this.#queued >= this.#limits.queueCountMax;
  }

  /** A task arrives: it starts, waits, or is refused. */
  enter(arrival: Arrival<Item>, nowMs: number): Verdict<Item> {
    const { lane, item, rank } = arrival;
    if (this.#hasRoom(lane)) {
      this.#start(lane);
      return STARTED;
    }
    if (this.refuses(lane)) return REFUSED;
    const ticket = { lane, item, rank, key: nowMs + rank * AGING_MS_PER_RANK, order: this.#order++ };
    lane.waiting[rank]?.add(ticket);
    lane.waitingCount += 1;
    this.#queued += 1;
    this.#waitingLanes.add(lane);
    return { kind: "queued", ticket };
  }

  /** A running task of `lane` ended. @returns the waiting tasks that start now; they count as running */
  leave(lane: Lane<Item>): readonly Item[] {
    lane.running -= 1;
    this.#running -= 1;
    return this.#queued === 0 ? [] : this.#startWaiting();
  }

  /** A waiting task gives up. @returns false when it does not wait any more */
  withdraw(ticket: Ticket<Item>): boolean {
    const { lane } = ticket;
    if (lane.waiting[ticket.rank]?.delete(ticket) !== true) return false;
    lane.waitingCount -= 1;
    this.#queued -= 1;
    if (lane.waitingCount === 0) this.#waitingLanes.delete(lane);
    return true;
  }

  #hasRoom(lane: Lane<Item>): boolean {
    return this.#running < this.#limits.slots && lane.running < lane.concurrency;
  }

  #start(lane: Lane<Item>): void {
    lane.running += 1;
    this.#running += 1;
  }

  #startWaiting(): readonly Item[] {
    const started: Item[] = [];
    for (let next = this.#next(); next; next = this.#next()) {
      this.withdraw(next);
      this.#start(next.lane);
      started.push(next.item);
    }
    return started;
  }

  /** The first of the waiting tasks that have room. */
  #next(): Ticket<Item> | undefined {
    let first: Ticket<Item> | undefined;
    if (this.#running >= this.#limits.slots) return first;
    for (const lane of this.#waitingLanes) {
      if (!this.#hasRoom(lane)) continue;
      for (const queue of lane.waiting) {
        const head = queue.values().next();
        if (head.done !== true && (!first || isBefore(head.value, first))) first = head.value;
      }
    }
    return first;
  }
}

function isBefore(left: Ticket<unknown>, right: Ticket<unknown>): boolean {
  return left.key < right.key || (left.key === right.key && left.order < right.order);
}
