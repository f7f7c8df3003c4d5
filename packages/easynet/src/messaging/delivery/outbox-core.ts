/**
 * What a node owes one peer: batches in order of four lanes, sent again until the peer says that it has them. Go-back-N
 * with cumulative acknowledgement, as Kafka's idempotent producer (KIP-98, KIP-192) and Akka's ProducerController, but
 * each batch names the position that the recipient must have reached before it (`after`): what lies between the two is
 * owed by nobody, so expired batches and those that died with a process need no placeholder on the wire.
 */
import { backoffMs, type Random } from "../../kernel/index.ts";
import type { LaneReport } from "./ack-codec.ts";
import {
  DRAIN_QUANTUM_BYTES,
  DRAIN_WEIGHTS,
  EXPIRY_SWEEP_MS,
  IN_FLIGHT_BYTES_MAX,
  RESEND_AFTER_MS,
  RESEND_BACKOFF,
} from "./limits.ts";
import { type BatchRange, comparePositions, endOf, type Position, START } from "./position.ts";

export interface OutboxBatch extends BatchRange {
  readonly lane: number;
  /** On the wire. */
  readonly byteLength: number;
  /** Monotonic: when the last of its messages expires. */
  readonly expiresAtMs: number;
  /** It may have reached the peer: only the peer can say now what became of it. */
  transmitted: boolean;
  /** It waits for a commit: of the handler that sent it, or of its end. Those behind it wait too. */
  held: boolean;
  /** The store has it, or will. */
  readonly hasRow: boolean;
}

export type OutboxInput<Batch extends OutboxBatch> =
  | { readonly kind: "batch"; readonly batch: Batch }
  /** The held batches of a handler may go. */
  | { readonly kind: "released" }
  /** The end of an expired batch is on disk. */
  | { readonly kind: "buried"; readonly batch: Batch }
  | { readonly kind: "linked" }
  | { readonly kind: "unlinked" }
  | { readonly kind: "watermarks" | "ack" | "gap"; readonly reports: readonly LaneReport[] }
  /** The link refused a batch of this lane, or has room again. */
  | { readonly kind: "blocked"; readonly lane: number }
  | { readonly kind: "writable"; readonly lane: number }
  | { readonly kind: "time" };

export type OutboxEffect<Batch extends OutboxBatch> =
  | { readonly kind: "transmit"; readonly batch: Batch; readonly after: Position }
  | { readonly kind: "acknowledged"; readonly batch: Batch }
  /**
   * It never left this node and nobody waits for it any more. One with a row blocks its lane until `buried`: once the
   * peer has passed over it, a row that came back after a crash would count as a duplicate there, and be lost.
   */
  | { readonly kind: "expired"; readonly batch: Batch }
  /** The peer acknowledged what was never sent, or knows a later life of this node: the report was not used. */
  | { readonly kind: "refused"; readonly reason: "never-sent" | "later-epoch" };

interface LaneState<Batch> {
  readonly queue: Batch[];
  /** Batches before this index are in flight on this link. */
  cursor: number;
  inFlightBytes: number;
  windowBytes: number;
  /** The furthest that was ever transmitted in this epoch. */
  sentTo: Position;
  deficitBytes: number;
  blocked: boolean;
  /** One batch may go whatever the window says: the peer answers with what it has and takes. */
  probe: boolean;
  attempt: number;
  resendAtMs: number;
  /** No batch expires earlier. */
  expiryMs: number;
}

export interface OutboxCoreOptions {
  readonly epoch: number;
  readonly random: Random;
  /** How the next lane is chosen; simulations plant another to see that they notice. @default fair */
  readonly choose?: typeof chooseFairly;
}

export class OutboxCore<Batch extends OutboxBatch> {
  readonly lanes: readonly LaneState<Batch>[];
  readonly #options: OutboxCoreOptions;
  #linked = false;
  /** The peer told what it has: before, sending would mostly repeat. */
  #informed = false;
  #queuedBytes = 0;
  #queuedCount = 0;
  #nextSweepMs = 0;
  #effects: OutboxEffect<Batch>[] = [];

  constructor(options: OutboxCoreOptions) {
    this.#options = options;
    this.lanes = DRAIN_WEIGHTS.map(() => ({
      queue: [],
      cursor: 0,
      inFlightBytes: 0,
      windowBytes: 0,
      sentTo: START,
      deficitBytes: 0,
      blocked: false,
      probe: false,
      attempt: 0,
      resendAtMs: Infinity,
      expiryMs: Infinity,
    }));
  }

  /** Bytes and messages not acknowledged. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get queuedCount(): number {
    return this.#queuedCount;
  }

  /** When `time` is due, monotonic; Infinity when nothing waits. */
  get wakeAtMs(): number {
    let wakeAtMs = Infinity;
    for (const lane of this.lanes) {
      if (this.#linked) wakeAtMs = Math.min(wakeAtMs, lane.resendAtMs);
      wakeAtMs = Math.min(wakeAtMs, Math.max(lane.expiryMs, this.#nextSweepMs));
    }
    return wakeAtMs;
  }

  step(input: OutboxInput<Batch>, nowMs: number): readonly OutboxEffect<Batch>[] {
    this.#effects = [];
    switch (input.kind) {
      case "batch":
        this.#add(input.batch, nowMs);
        break;
      case "linked":
        this.#onLinked(nowMs);
        break;
      case "unlinked":
        this.#linked = false;
        break;
      case "watermarks":
        this.#informed = true;
        for (const report of input.reports) this.#onReport(report, nowMs);
        break;
      case "ack":
      case "gap":
        for (const report of input.reports) this.#onReport(report, nowMs, input.kind === "gap");
        break;
      case "blocked":
      case "writable":
        this.#lane(input.lane).blocked = input.kind === "blocked";
        if (input.kind === "blocked") rewind(this.#lane(input.lane));
        break;
      case "time":
        this.#onTime(nowMs);
        break;
      case "buried":
        this.#remove(input.batch);
        break;
      case "released":
        break;
    }
    if (this.#linked) this.#pump(nowMs);
    return this.#effects;
  }

  /**
   * The next batch of a lane behind a position, for a member that keeps it for the peer: from now on it may have arrived.
   * Undefined when there is none, or when it has to wait.
   */
  detour(
    index: number,
    behind: Position,
    nowMs: number,
  ): { readonly batch: Batch; readonly after: Position } | undefined {
    const lane = this.#lane(index);
    let [low, high] = [0, lane.queue.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const batch = lane.queue[middle];
      if (batch && comparePositions(endOf(batch), behind) <= 0) low = middle + 1;
      else high = middle;
    }
    const batch = lane.queue[low];
    if (!batch || batch.held || (!batch.transmitted && batch.expiresAtMs <= nowMs)) return undefined;
    const before = lane.queue[low - 1];
    this.#leaves(lane, batch);
    return { batch, after: before ? endOf(before) : START };
  }

  #lane(index: number): LaneState<Batch> {
    const lane = this.lanes[index];
    if (!lane) throw new RangeError(`there is no lane ${index}`);
    return lane;
  }

  #add(batch: Batch, nowMs: number): void {
    const lane = this.#lane(batch.lane);
    lane.queue.push(batch);
    this.#queuedBytes += batch.byteLength;
    this.#queuedCount += batch.count;
    if (!batch.transmitted) lane.expiryMs = Math.min(lane.expiryMs, batch.expiresAtMs);
    if (lane.resendAtMs === Infinity) lane.resendAtMs = nowMs + RESEND_AFTER_MS;
  }

  #onLinked(nowMs: number): void {
    this.#linked = true;
    this.#informed = false;
    for (const lane of this.lanes) {
      rewind(lane);
      lane.windowBytes = 0;
      lane.blocked = false;
      lane.probe = false;
      lane.attempt = 0;
      lane.resendAtMs = lane.queue.length > 0 ? nowMs + RESEND_AFTER_MS : Infinity;
    }
  }

  #onReport(report: LaneReport, nowMs: number, gap = false): void {
    const lane = this.#lane(report.lane);
    const { position } = report;
    const { epoch } = this.#options;
    const ahead = position.epoch === epoch && comparePositions(position, lane.sentTo) > 0;
    if (position.epoch > epoch || ahead) {
      this.#effects.push({ kind: "refused", reason: ahead ? "never-sent" : "later-epoch" });
      return;
    }
    this.#informed = true;
    lane.windowBytes = report.windowBytes;
    let count = 0;
    for (const batch of lane.queue) {
      if (comparePositions(endOf(batch), position) > 0) break;
      this.#settle(lane, batch, count);
      this.#effects.push({ kind: "acknowledged", batch });
      count += 1;
    }
    lane.queue.splice(0, count);
    lane.cursor = Math.max(0, lane.cursor - count);
    if (gap) rewind(lane);
    if (count > 0) {
      lane.attempt = 0;
      lane.probe = false;
      lane.resendAtMs = nowMs + RESEND_AFTER_MS;
    }
    if (lane.queue.length === 0) lane.resendAtMs = lane.expiryMs = Infinity;
  }

  #settle(lane: LaneState<Batch>, batch: Batch, index: number): void {
    this.#queuedBytes -= batch.byteLength;
    this.#queuedCount -= batch.count;
    if (index < lane.cursor) lane.inFlightBytes -= batch.byteLength;
  }

  #remove(batch: Batch): void {
    const lane = this.#lane(batch.lane);
    const index = lane.queue.indexOf(batch);
    if (index < 0) return;
    this.#settle(lane, batch, index);
    lane.queue.splice(index, 1);
    if (lane.queue.length === 0) lane.resendAtMs = lane.expiryMs = Infinity;
  }

  #onTime(nowMs: number): void {
    if (nowMs >= this.#nextSweepMs) this.#sweep(nowMs);
    if (!this.#linked) return;
    for (const lane of this.lanes) {
      if (nowMs < lane.resendAtMs || lane.queue.length === 0) continue;
      rewind(lane);
      lane.probe = true;
      lane.resendAtMs = nowMs + RESEND_AFTER_MS + backoffMs(lane.attempt, RESEND_BACKOFF, this.#options.random);
      lane.attempt += 1;
    }
  }

  /** Takes out what expired before it ever left. What may have arrived stays: its fate is the peer's to tell. */
  #sweep(nowMs: number): void {
    for (const lane of this.lanes) {
      if (lane.expiryMs > nowMs) continue;
      lane.expiryMs = Infinity;
      const kept: Batch[] = [];
      for (const [index, batch] of lane.queue.entries()) {
        if (!batch.transmitted && !batch.held && batch.expiresAtMs <= nowMs) {
          this.#effects.push({ kind: "expired", batch });
          batch.held = batch.hasRow;
          if (!batch.hasRow) {
            this.#settle(lane, batch, index);
            continue;
          }
        }
        if (!batch.transmitted && !batch.held) lane.expiryMs = Math.min(lane.expiryMs, batch.expiresAtMs);
        kept.push(batch);
      }
      // None of them was before the cursor: those were transmitted.
      lane.queue.splice(0, lane.queue.length, ...kept);
      if (kept.length === 0) lane.resendAtMs = Infinity;
    }
    this.#nextSweepMs = nowMs + EXPIRY_SWEEP_MS;
  }

  /** Critical first; the others by their weights, within what is in flight altogether and the peer's windows. */
  #pump(nowMs: number): void {
    const choose = this.#options.choose ?? chooseFairly;
    for (;;) {
      const ready = this.lanes.filter((lane, index) => this.#mayTransmit(lane, index));
      const lane = choose(ready, this.lanes);
      const batch = lane?.queue[lane.cursor];
      if (!lane || !batch) return;
      if (!batch.transmitted && batch.expiresAtMs <= nowMs) {
        this.#effects.push({ kind: "expired", batch });
        batch.held = batch.hasRow;
        if (batch.hasRow) continue;
        this.#settle(lane, batch, lane.cursor);
        lane.queue.splice(lane.cursor, 1);
        continue;
      }
      const before = lane.queue[lane.cursor - 1];
      lane.cursor += 1;
      lane.inFlightBytes += batch.byteLength;
      lane.deficitBytes -= batch.byteLength;
      lane.probe = false;
      this.#leaves(lane, batch);
      this.#effects.push({ kind: "transmit", batch, after: before ? endOf(before) : START });
    }
  }

  #leaves(lane: LaneState<Batch>, batch: Batch): void {
    batch.transmitted = true;
    const end = endOf(batch);
    if (end.epoch === this.#options.epoch && comparePositions(end, lane.sentTo) > 0) lane.sentTo = end;
  }

  #mayTransmit(lane: LaneState<Batch>, index: number): boolean {
    const batch = lane.queue[lane.cursor];
    if (!batch || batch.held || lane.blocked) return false;
    if (lane.probe) return true;
    if (!this.#informed || lane.inFlightBytes + batch.byteLength > lane.windowBytes) return false;
    if (index === 0) return true;
    let inFlightBytes = 0;
    for (let below = 1; below < this.lanes.length; below++) inFlightBytes += this.#lane(below).inFlightBytes;
    return inFlightBytes === 0 || inFlightBytes + batch.byteLength <= IN_FLIGHT_BYTES_MAX;
  }
}

function rewind(lane: LaneState<OutboxBatch>): void {
  lane.cursor = 0;
  lane.inFlightBytes = 0;
}

/** Deficit round robin (Shreedhar and Varghese 1995, section 3) by bytes below the critical lane, which always goes first. */
export function chooseFairly<Lane extends { deficitBytes: number }>(
  ready: readonly Lane[],
  lanes: readonly Lane[],
): Lane | undefined {
  const first = ready[0];
  if (!first || first === lanes[0]) return first;
  if (ready.length === 1) {
    // Nobody to share with: what it uses now is not held against it later.
    first.deficitBytes = 0;
    return first;
  }
  for (;;) {
    const lane = ready.find(({ deficitBytes }) => deficitBytes > 0);
    if (lane) return lane;
    for (const [index, each] of lanes.entries()) {
      const quantum = DRAIN_QUANTUM_BYTES * (DRAIN_WEIGHTS[index] ?? 1);
      // What was not used while a lane was empty is not saved up.
      each.deficitBytes = Math.min(quantum, each.deficitBytes + quantum);
    }
  }
}
