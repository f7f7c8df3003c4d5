import type { Did } from "../../identity/index.ts";
import { isEasynetError, type Timer } from "../../kernel/index.ts";
import { FRAME_TYPES, type Lane } from "../../wire/index.ts";
import { BatchBuilder } from "./batch-builder.ts";
import { PREFIX_BYTES } from "./batch-layout.ts";
import { writePrefix } from "./batch-reader.ts";
import { signBatch } from "./batch-signature.ts";
import type { CheckedMessage } from "./check-message.ts";
import { BATCH_BYTES_MAX, RESIDENT_BYTES_MAX, TIMER_MS_MAX } from "./limits.ts";
import { OutboxCore, type OutboxEffect, type OutboxInput } from "./outbox-core.ts";
import type { Position } from "./position.ts";
import { SPACES } from "./rows.ts";
import { SentBatch, SentHandle } from "./sent-batch.ts";
import { type DeliveryShared, laneLabel } from "./shared.ts";

/** The lane of the link for each lane of messages. */
const LINK_LANES: readonly Lane[] = ["high", "high", "normal", "bulk"];

export interface OwedHost {
  readonly shared: DeliveryShared;
  /** No message joins it any more. */
  readonly onSealed: (batch: SentBatch) => void;
  readonly onAcknowledged: (batch: SentBatch) => void;
  readonly onExpired: (batch: SentBatch) => void;
}

/** A batch that takes another way than the link to its peer. */
export interface Detour {
  readonly batch: SentBatch;
  readonly after: Position;
  readonly ageMs: number;
  readonly bytes: Buffer;
}

interface OpenBatch {
  readonly batch: SentBatch;
  readonly builder: BatchBuilder;
}

/** What one peer is owed: its open batches, its core, and the timer of it. */
export class OwedPeer {
  readonly did: Did;
  /** It is in the list of those that the next flush seals. */
  dirty = false;
  linked = false;
  /** Monotonic: since when there is no link, if there is none. */
  unlinkedAtMs: number;
  waiters: (() => void)[] = [];
  readonly core: OutboxCore<SentBatch>;
  readonly #host: OwedHost;
  readonly #open: (OpenBatch | undefined)[] = [undefined, undefined, undefined, undefined];
  /** Last sequence given out in each lane. */
  readonly last: number[];
  /** Of the last batch of each lane. */
  readonly #lastBytes = [0, 0, 0, 0];
  #openBytes = 0;
  #openCount = 0;
  #residentBytes = 0;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;

  constructor(did: Did, host: OwedHost, last: readonly number[] = [0, 0, 0, 0]) {
    this.did = did;
    this.last = [...last];
    this.#host = host;
    const { epoch, random, clock } = host.shared;
    this.unlinkedAtMs = clock.monotonicMs();
    this.core = new OutboxCore({ epoch, random });
  }

  /** Not acknowledged, open batches included. */
  get bytes(): number {
    return this.core.queuedBytes + this.#openBytes;
  }

  get count(): number {
    return this.core.queuedCount + this.#openCount;
  }

  /** Volatile messages have no row that could stand in for their bytes in memory. */
  get crowded(): boolean {
    return this.#residentBytes + this.#openBytes >= RESIDENT_BYTES_MAX;
  }

  add(message: CheckedMessage, held: boolean): SentHandle {
    const { lane } = message;
    let open = this.#open[lane];
    if (open && (open.batch.held !== held || !open.builder.fits(message))) {
      this.#seal(lane);
      open = undefined;
    }
    open ??= this.#begin(lane, held);
    const { batch, builder } = open;
    const before = builder.byteLength;
    const idOffset = builder.add(message);
    this.last[lane] = (this.last[lane] ?? 0) + 1;
    this.#openBytes += builder.byteLength - before;
    this.#openCount += 1;
    return new SentHandle(batch, builder, idOffset);
  }

  /** Seals what is open, or only what is held. */
  seal(onlyHeld = false): void {
    for (let lane = 0; lane < this.#open.length; lane++) {
      const open = this.#open[lane];
      if (open && (open.batch.held || !onlyHeld)) this.#seal(lane);
    }
  }

  step(input: OutboxInput<SentBatch>): void {
    const { clock } = this.#host.shared;
    for (const effect of this.core.step(input, clock.monotonicMs())) this.#perform(effect);
    this.#arm();
    const { outboxBytesMax, outboxCountMax } = this.#host.shared.limits;
    if (this.waiters.length > 0 && this.bytes < outboxBytesMax && this.count < outboxCountMax) this.wake();
  }

  wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }

  /** Its row is written: the bytes can be had again. */
  onStored(batch: SentBatch): void {
    const waits = !batch.transmitted && this.#residentBytes > RESIDENT_BYTES_MAX;
    if (!this.linked || waits) this.#release(batch);
  }

  onUnlinked(): void {
    this.linked = false;
    this.unlinkedAtMs = this.#host.shared.clock.monotonicMs();
    this.step({ kind: "unlinked" });
    for (const { queue } of this.core.lanes) for (const batch of queue) if (batch.rowWritten) this.#release(batch);
  }

  /** The next batch behind a position, for who keeps it for the peer; its bytes are as they are on the wire. */
  detour(lane: number, behind: Position): Detour | undefined {
    const { store, clock } = this.#host.shared;
    const nowMs = clock.monotonicMs();
    const found = this.core.detour(lane, behind, nowMs);
    if (!found) return undefined;
    const { batch, after } = found;
    const row = batch.frame?.subarray(PREFIX_BYTES) ?? store.get(SPACES.outbox, batch.key);
    return row && { batch, after, ageMs: nowMs - batch.bornAtMs, bytes: Buffer.from(row) };
  }

  close(): void {
    this.#timer?.cancel();
    this.#timerAtMs = -Infinity;
    this.wake();
  }

  /** In a large network links are made when somebody wants one; `peer-joined` tells. */
  #ask(): void {
    const { mesh } = this.#host.shared;
    if (mesh.isOnDemand(this.did)) mesh.reach(this.did).catch(() => undefined);
  }

  #begin(lane: number, held: boolean): OpenBatch {
    const { epoch, clock } = this.#host.shared;
    const first = (this.last[lane] ?? 0) + 1;
    const at = { epoch, lane, first, sentAtMs: clock.nowMs() };
    const batch = new SentBatch({ ...at, peer: this.did, bornAtMs: clock.monotonicMs(), held });
    const open = { batch, builder: new BatchBuilder(at, this.#lastBytes[lane]) };
    this.#openBytes += open.builder.byteLength;
    this.#open[lane] = open;
    return open;
  }

  #seal(lane: number): void {
    const open = this.#open[lane];
    if (!open) return;
    const { batch, builder } = open;
    this.#open[lane] = undefined;
    if (!this.linked) this.#ask();
    this.#openBytes -= builder.byteLength;
    this.#openCount -= builder.count;
    const { keyPair } = this.#host.shared;
    batch.seal(builder, (bytes) => signBatch(keyPair, this.did, bytes));
    // A large message says nothing about the batches after it.
    this.#lastBytes[lane] = Math.min(BATCH_BYTES_MAX, batch.byteLength);
    this.#residentBytes += batch.byteLength;
    this.#host.shared.metrics.count("easynet_messages_sent_total", laneLabel(lane), batch.count);
    this.#host.onSealed(batch);
    this.step({ kind: "batch", batch });
  }

  #perform(effect: OutboxEffect<SentBatch>): void {
    const { metrics, logger } = this.#host.shared;
    switch (effect.kind) {
      case "transmit":
        this.#transmit(effect.batch, effect.after);
        return;
      case "acknowledged":
        this.#release(effect.batch);
        this.#host.onAcknowledged(effect.batch);
        return;
      case "expired":
        this.#host.onExpired(effect.batch);
        this.#release(effect.batch);
        return;
      case "refused":
        metrics.count("easynet_messages_refused_total", { reason: effect.reason });
        if (effect.reason !== "later-epoch") return;
        logger.error("a peer knows a later life of this node; its messages wait until the store is that of then", {
          peer: this.did,
        });
    }
  }

  #transmit(batch: SentBatch, after: Position): void {
    const { mesh, clock, metrics } = this.#host.shared;
    const frame = this.#frameOf(batch);
    if (!frame) return;
    if (batch.sentBefore) metrics.count("easynet_messages_resent_total", laneLabel(batch.lane), batch.count);
    batch.sentBefore = true;
    writePrefix(frame, { ageMs: clock.monotonicMs() - batch.bornAtMs, after });
    const lane = LINK_LANES[batch.lane] ?? "normal";
    try {
      mesh.send(this.did, { lane, type: FRAME_TYPES["message-batch"], body: frame });
    } catch (error) {
      this.#onRefused(batch.lane, lane, error);
    }
  }

  /** A frame whose prefix may be written. What was lent to a link stays as it is. */
  #frameOf(batch: SentBatch): Buffer | undefined {
    const { store, logger } = this.#host.shared;
    if (!batch.frame) {
      const row = store.get(SPACES.outbox, batch.key);
      if (!row) {
        logger.error("a row of the outbox is gone", { key: batch.key });
        return undefined;
      }
      const loaded = Buffer.allocUnsafe(PREFIX_BYTES + row.length);
      loaded.set(row, PREFIX_BYTES);
      batch.frame = loaded;
      this.#residentBytes += batch.byteLength;
    } else if (batch.lent) batch.frame = Buffer.from(batch.frame);
    batch.lent = true;
    return batch.frame;
  }

  /** The link is full or gone. A full one is tried again when it has room; of a lost one the mesh tells. */
  #onRefused(index: number, lane: Lane, error: unknown): void {
    const { mesh, logger } = this.#host.shared;
    if (!isEasynetError(error, "BACKPRESSURE")) {
      if (!isEasynetError(error)) throw error;
      logger.debug("batch not sent", { peer: this.did, error });
      return;
    }
    // Not from within the effects of another step.
    queueMicrotask(() => this.step({ kind: "blocked", lane: index }));
    mesh.drained(this.did, lane).then(
      () => this.step({ kind: "writable", lane: index }),
      (reason: unknown) => logger.debug("link not drained", { peer: this.did, error: reason }),
    );
  }

  #release(batch: SentBatch): void {
    if (!batch.frame) return;
    batch.frame = undefined;
    batch.lent = false;
    this.#residentBytes -= batch.byteLength;
  }

  /** One timer, never later than the core wants to be woken; it may ring in vain. */
  #arm(): void {
    const { clock } = this.#host.shared;
    const { wakeAtMs } = this.core;
    if (wakeAtMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    const delayMs = Math.min(TIMER_MS_MAX, Math.max(0, wakeAtMs - clock.monotonicMs()));
    this.#timerAtMs = wakeAtMs;
    this.#timer = clock.setTimer(delayMs, () => {
      this.#timerAtMs = Infinity;
      this.step({ kind: "time" });
    });
  }
}
