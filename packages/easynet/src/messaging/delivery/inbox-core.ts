/**
 * What a node has of one peer's messages: one position for each of four lanes is all that deduplication needs, because
 * nothing is taken out of order. Batches that are taken wait here for the handler, in order within a lane.
 */
import type { LaneReport } from "./ack-codec.ts";
import { DELIVERIES_COUNT_MAX, DRAIN_WEIGHTS, GAP_AGAIN_MS, REDELIVERY_BASE_MS, REDELIVERY_CAP_MS } from "./limits.ts";
import { chooseFairly } from "./outbox-core.ts";
import { type BatchRange, comparePositions, endOf, type Position, START } from "./position.ts";

export interface InboxBatch extends BatchRange {
  readonly lane: number;
  /** Index into DURABILITIES. */
  readonly durability: number;
  readonly byteLength: number;
  /** Index of the next message that is to be handled. */
  next: number;
  /** It has a row of its own in the store. */
  stored: boolean;
}

export type Verdict =
  | "taken"
  /** Had before: the sender has not heard of it. */
  | "duplicate"
  /** Something before it is missing; the sender is to be asked. `gap-known`: it was asked a moment ago. */
  | "gap"
  | "gap-known"
  /** The sender overran the window. */
  | "full";

export interface InboxLane<Batch> {
  readonly queue: Batch[];
  /** Taken, also what is not committed yet. */
  received: Position;
  /** Everything up to here was handled, expired or is a dead letter. */
  processed: Position;
  /** What the sender may forget: taken, as safely as it asked for. */
  settled: Position;
  /** Bytes taken and not handled. */
  heldBytes: number;
  /** Of what the last report told. */
  advertisedBytes: number;
  busy: boolean;
  deficitBytes: number;
  /** Deliveries of the first message of the queue so far. */
  attempts: number;
  retryAtMs: number;
  gapAskedAtMs: number;
  /** Something changed since the last snapshot, and how safely it has to be kept: an index into DURABILITIES. */
  changed: boolean;
  needs: number;
}

/** What a commit makes durable of one lane. */
export interface LaneSnapshot {
  readonly received: Position;
  readonly processed: Position;
}

export class InboxCore<Batch extends InboxBatch> {
  readonly lanes: readonly InboxLane<Batch>[];
  readonly #laneBytesMax: number;
  readonly #onChange: () => void;

  /** @param onChange some lane has something for the next commit; may be called again before `snapshot` */
  constructor(laneBytesMax: number, onChange: () => void = () => undefined) {
    this.#laneBytesMax = laneBytesMax;
    this.#onChange = onChange;
    this.lanes = DRAIN_WEIGHTS.map(() => ({
      queue: [],
      received: START,
      processed: START,
      settled: START,
      heldBytes: 0,
      advertisedBytes: laneBytesMax,
      busy: false,
      deficitBytes: 0,
      attempts: 0,
      retryAtMs: 0,
      gapAskedAtMs: -Infinity,
      changed: false,
      needs: 0,
    }));
  }

  lane(index: number): InboxLane<Batch> {
    const lane = this.lanes[index];
    if (!lane) throw new RangeError(`there is no lane ${index}`);
    return lane;
  }

  /** What the store had at the start; batches in order follow with `recover`. */
  restore(index: number, { received, processed }: LaneSnapshot): void {
    Object.assign(this.lane(index), { received, settled: received, processed });
  }

  /** A batch that was taken in an earlier life. False: it was handled in that life. */
  recover(batch: Batch): boolean {
    const lane = this.lane(batch.lane);
    if (comparePositions(endOf(batch), lane.processed) <= 0) return false;
    batch.next = lane.processed.epoch === batch.epoch ? Math.max(0, lane.processed.sequence - batch.first + 1) : 0;
    lane.queue.push(batch);
    lane.heldBytes += batch.byteLength;
    return true;
  }

  /** @param roomBytes what all peers together may still add */
  offer(batch: Batch, after: Position, context: { readonly nowMs: number; readonly roomBytes: number }): Verdict {
    const lane = this.lane(batch.lane);
    const end = endOf(batch);
    if (comparePositions(end, lane.received) <= 0) return "duplicate";
    if (comparePositions(after, lane.received) > 0) {
      if (context.nowMs - lane.gapAskedAtMs < GAP_AGAIN_MS) return "gap-known";
      lane.gapAskedAtMs = context.nowMs;
      return "gap";
    }
    // An empty lane takes a batch of any size, so that no message is too large for a small window.
    const laneFull = lane.queue.length > 0 && lane.heldBytes + batch.byteLength > this.#laneBytesMax;
    if (laneFull || batch.byteLength > context.roomBytes) return "full";
    batch.next = lane.received.epoch === batch.epoch ? Math.max(0, lane.received.sequence - batch.first + 1) : 0;
    lane.received = end;
    lane.gapAskedAtMs = -Infinity;
    lane.queue.push(batch);
    lane.heldBytes += batch.byteLength;
    this.change(batch.lane, batch.durability);
    return "taken";
  }

  /** The batch whose messages are to be handled next; its lane is busy until `handled` or `failed`. */
  next(nowMs: number): Batch | undefined {
    const ready = this.lanes.filter((lane) => lane.queue.length > 0 && !lane.busy && lane.retryAtMs <= nowMs);
    const lane = chooseFairly(ready, this.lanes);
    const batch = lane?.queue[0];
    if (!lane || !batch) return undefined;
    lane.busy = true;
    lane.deficitBytes -= batch.byteLength;
    return batch;
  }

  /** When a message is to be delivered again; Infinity when none waits. */
  get wakeAtMs(): number {
    let wakeAtMs = Infinity;
    for (const lane of this.lanes) {
      if (lane.queue.length > 0 && !lane.busy) wakeAtMs = Math.min(wakeAtMs, lane.retryAtMs);
    }
    return wakeAtMs;
  }

  /** Messages of the batch before `upTo` are done with; the one at `upTo` still runs. */
  progressed(batch: Batch, upTo: number): void {
    if (upTo <= batch.next) return;
    const lane = this.lane(batch.lane);
    lane.attempts = 0;
    lane.retryAtMs = 0;
    batch.next = upTo;
    lane.processed = { epoch: batch.epoch, sequence: batch.first + upTo - 1 };
    this.change(batch.lane, Math.min(1, batch.durability));
  }

  /** As `progressed`, and nothing of it runs any more. Returns true when the batch is done with. */
  handled(batch: Batch, upTo: number): boolean {
    const lane = this.lane(batch.lane);
    lane.busy = false;
    this.progressed(batch, upTo);
    if (batch.next < batch.count) return false;
    lane.queue.shift();
    lane.heldBytes -= batch.byteLength;
    return true;
  }

  /**
   * The handler failed at the next message of the batch. Later again, or never: then the caller makes it a dead letter
   * and says `handled`. @param chance 0 to 1
   */
  failed(batch: Batch, nowMs: number, chance: number): "retry" | "dead" {
    const lane = this.lane(batch.lane);
    lane.busy = false;
    lane.attempts += 1;
    if (lane.attempts >= DELIVERIES_COUNT_MAX) return "dead";
    const delayMs = Math.min(REDELIVERY_CAP_MS, REDELIVERY_BASE_MS * 2 ** (lane.attempts - 1));
    lane.retryAtMs = nowMs + delayMs * (0.5 + chance);
    return "retry";
  }

  /** The next message of the batch can never be handled: as `failed` that said `dead`, at once. */
  refused(batch: Batch): void {
    const lane = this.lane(batch.lane);
    lane.busy = false;
    lane.attempts += 1;
  }

  /** The lane has something that the next commit takes. @param needs how safely: an index into DURABILITIES */
  change(index: number, needs: number): void {
    const lane = this.lane(index);
    lane.changed = true;
    if (needs > lane.needs) lane.needs = needs;
    this.#onChange();
  }

  /** What the next commit makes durable of a lane; undefined when nothing changed. */
  snapshot(index: number): (LaneSnapshot & { readonly needs: number }) | undefined {
    const lane = this.lane(index);
    if (!lane.changed) return undefined;
    const { received, processed, needs } = lane;
    lane.changed = false;
    lane.needs = 0;
    return { received, processed, needs };
  }

  /** That is safe now: the sender may forget it. */
  settle(index: number, { received }: LaneSnapshot): void {
    this.lane(index).settled = received;
  }

  /** What is to be told of a lane now. */
  report(index: number): LaneReport {
    const lane = this.lane(index);
    lane.advertisedBytes = this.#windowBytes(lane);
    return { lane: index, position: lane.settled, windowBytes: lane.advertisedBytes };
  }

  /** The sender was told of little room, and there is much again. */
  owesWindow(index: number): boolean {
    const lane = this.lane(index);
    return lane.advertisedBytes < this.#laneBytesMax / 4 && this.#windowBytes(lane) >= this.#laneBytesMax / 2;
  }

  /** Room beyond the settled position, as the sender counts: what is taken but not settled is in flight for it. */
  #windowBytes(lane: InboxLane<Batch>): number {
    let unsettled = 0;
    for (let index = lane.queue.length - 1; index >= 0; index--) {
      const batch = lane.queue[index];
      if (!batch || comparePositions(endOf(batch), lane.settled) <= 0) break;
      unsettled += batch.byteLength;
    }
    return Math.max(0, this.#laneBytesMax - (lane.heldBytes - unsettled));
  }
}
