import type { Did } from "../../identity/index.ts";
import { EasynetError, isEasynetError, type Timer, toEasynetError } from "../../kernel/index.ts";
import { PRIORITIES } from "../../model/index.ts";
import type { Write } from "../../storage/index.ts";
import type { LaneReport } from "./ack-codec.ts";
import { DURABILITIES, PREFIX_BYTES } from "./batch-layout.ts";
import { readBatch } from "./batch-reader.ts";
import type { CheckedMessage } from "./check-message.ts";
import type { DeadLetterBook } from "./dead-letters.ts";
import { COMMIT_BYTES_MAX, DELETE_AFTER_MS, STORE_RETRY_MS } from "./limits.ts";
import { type OwedHost, OwedPeer } from "./owed-peer.ts";
import { peerOfKey, SPACES } from "./rows.ts";
import { SentBatch, type SentHandle } from "./sent-batch.ts";
import type { DeliveryShared } from "./shared.ts";
import type { OutboxReport } from "./types.ts";

/** Rows read at a time at the start; their bytes are not kept. */
const RECOVERY_PAGE_COUNT = 100;

/** The sending half of delivery: the rows of all peers' batches, and who is told what became of them. */
export class Outbox {
  readonly #shared: DeliveryShared;
  readonly #dead: DeadLetterBook;
  readonly #peers = new Map<Did, OwedPeer>();
  readonly #host: OwedHost;
  #dirty: OwedPeer[] = [];
  readonly #withHeld = new Set<OwedPeer>();
  /** Sealed, and without a row yet; also those that a full disk refused. */
  #unstored: SentBatch[] = [];
  #held: SentBatch[] = [];
  #deletes: Write[] = [];
  /** Why messages that need a row are refused at once. */
  #storeError: EasynetError | undefined;
  #retry: Timer | undefined;
  /** Rows to delete wait for a commit that goes anyway, not for ever. */
  #sweep: Timer | undefined;
  #broken = false;
  #closed = false;

  constructor(shared: DeliveryShared, dead: DeadLetterBook) {
    this.#shared = shared;
    this.#dead = dead;
    this.#host = {
      shared,
      onSealed: (batch) => this.#onSealed(batch),
      onAcknowledged: (batch) => this.#onAcknowledged(batch),
      onExpired: (batch) => this.#onExpired(batch),
    };
  }

  /** Reads what an earlier life of this node still owes. */
  recover(): void {
    const { store, logger } = this.#shared;
    for (let after = ""; ;) {
      const options = { limit: RECOVERY_PAGE_COUNT, ...(after !== "" && { after }) };
      const page = store.list(SPACES.outbox, options);
      for (const { key, value } of page) {
        after = key;
        try {
          this.#recoverRow(key, Buffer.from(value.buffer, value.byteOffset, value.byteLength));
        } catch (error) {
          logger.error("a row of the outbox cannot be read; its messages are lost", { key, error });
        }
      }
      if (page.length === 0) return;
    }
  }

  /** @throws {EasynetError} BACKPRESSURE, STORAGE_FULL, STORAGE_FAILED, NODE_STOPPING, OVERLOADED, INVALID_ARGUMENT */
  checkRoom(to: Did, message: CheckedMessage): void {
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    if (this.#storeError && message.durability > 0) throw this.#storeError;
    const { mesh, limits, metrics } = this.#shared;
    const owed = this.#peers.get(to);
    if (!owed && to === mesh.self) {
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The recipient", reason: "it is this node itself" });
    }
    if (!owed && this.#peers.size >= limits.peersCountMax) {
      throw new EasynetError("OVERLOADED", { subject: "The outbox", queued: this.#peers.size });
    }
    if (!owed || (this.#hasRoom(owed) && (message.durability > 0 || !owed.crowded))) return;
    metrics.count("easynet_messages_refused_total", { reason: "outbox-full" });
    throw new EasynetError("BACKPRESSURE", {
      peer: to,
      bytes: owed.bytes,
      lane: PRIORITIES[message.lane] ?? "normal",
    });
  }

  /** Takes a message. @param held it waits for `release`: the commit of the handler that sent it */
  add(to: Did, message: CheckedMessage, held = false): SentHandle {
    const owed = this.#owed(to);
    const handle = owed.add(message, held);
    this.#shared.counts.sent += 1;
    if (held) this.#withHeld.add(owed);
    if (!owed.dirty) {
      owed.dirty = true;
      this.#dirty.push(owed);
      this.#shared.schedule();
    }
    return handle;
  }

  async drained(to: Did, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const owed = this.#peers.get(to);
      if (!owed || (this.#hasRoom(owed) && !owed.crowded)) return;
      if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
      if (signal?.aborted) throw new EasynetError("CANCELLED", { subject: "Waiting for room in the outbox" });
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal?.removeEventListener("abort", wake);
          owed.waiters = owed.waiters.filter((waiter) => waiter !== wake);
          resolve();
        };
        owed.waiters.push(wake);
        signal?.addEventListener("abort", wake);
      });
    }
  }

  /** Seals what was sent in this turn: the same bytes go to the link and, as rows, to the disk. */
  flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const owed of dirty) {
      owed.dirty = false;
      owed.seal();
    }
    if (this.#unstored.length > 0) this.#commitUnlessRefused();
  }

  /** The sealed batches of handlers that ended; their rows belong into the handlers' commit. */
  takeHeld(): readonly SentBatch[] {
    for (const owed of this.#withHeld) owed.seal(true);
    this.#withHeld.clear();
    const held = this.#held;
    this.#held = [];
    return held;
  }

  /** Their handlers' commit is done. */
  release(batches: readonly SentBatch[]): void {
    for (const batch of batches) {
      batch.held = false;
      if (batch.hasRow) this.#onStored(batch);
    }
    for (const peer of new Set(batches.map((batch) => batch.peer))) this.#peers.get(peer)?.step({ kind: "released" });
  }

  onLinked(did: Did): void {
    const { limits, metrics } = this.#shared;
    if (!this.#peers.has(did) && this.#peers.size >= limits.peersCountMax) {
      metrics.count("easynet_messages_refused_total", { reason: "peers-full" });
      return;
    }
    const owed = this.#owed(did);
    owed.linked = true;
    owed.step({ kind: "linked" });
  }

  onUnlinked(did: Did): void {
    this.#peers.get(did)?.onUnlinked();
  }

  onReports(did: Did, kind: "ack" | "gap" | "watermarks", reports: readonly LaneReport[]): void {
    this.#peers.get(did)?.step({ kind, reports });
  }

  /** Peers without a link for which something waits. */
  away(): readonly OwedPeer[] {
    return [...this.#peers.values()].filter((owed) => !owed.linked && owed.core.queuedCount > 0);
  }

  owed(did: Did): OwedPeer | undefined {
    return this.#peers.get(did);
  }

  reports(): readonly OutboxReport[] {
    const found: OutboxReport[] = [];
    for (const { did, core } of this.#peers.values()) {
      for (const [index, { queue }] of core.lanes.entries()) {
        const priority = PRIORITIES[index];
        const oldest = queue[0];
        if (!oldest || !priority) continue;
        const queued = queue.reduce((sum, batch) => sum + batch.count, 0);
        const bytes = queue.reduce((sum, batch) => sum + batch.byteLength, 0);
        found.push({ peer: did, priority, queued, bytes, oldestAtMs: oldest.sentAtMs });
      }
    }
    return found;
  }

  /** Drops what waits for a peer; the writes are the caller's to commit. */
  forget(did: Did): readonly Write[] {
    const owed = this.#peers.get(did);
    if (!owed) return [];
    owed.seal();
    const gone = new EasynetError("PEER_UNREACHABLE", { peer: did, reason: "it was forgotten" });
    const writes: Write[] = [];
    for (const { queue } of owed.core.lanes) {
      for (const batch of queue) {
        batch.fail(gone);
        if (batch.hasRow) writes.push(deleteOf(batch));
      }
    }
    owed.close();
    // Sequences are never used twice in an epoch.
    const next = new OwedPeer(did, this.#host, owed.last);
    this.#peers.set(did, next);
    if (owed.linked) this.onLinked(did);
    return writes;
  }

  /** Messages stay where they are: a later start goes on with them. Wakes who waits. */
  close(): void {
    this.#closed = true;
    this.#commitUnlessRefused();
    this.#sweep?.cancel();
    this.#retry?.cancel();
    const stopping = new EasynetError("NODE_STOPPING", {});
    for (const owed of this.#peers.values()) {
      for (const { queue } of owed.core.lanes) for (const batch of queue) batch.acknowledged.settle(stopping);
      owed.close();
    }
  }

  #owed(did: Did): OwedPeer {
    let owed = this.#peers.get(did);
    if (!owed) {
      owed = new OwedPeer(did, this.#host);
      owed.linked = this.#shared.mesh.peer(did) !== undefined;
      this.#peers.set(did, owed);
      if (owed.linked) owed.step({ kind: "linked" });
    }
    return owed;
  }

  #hasRoom(owed: OwedPeer): boolean {
    const { outboxBytesMax, outboxCountMax } = this.#shared.limits;
    return owed.bytes < outboxBytesMax && owed.count < outboxCountMax;
  }

  #recoverRow(key: string, value: Buffer): void {
    const { clock } = this.#shared;
    const owner = peerOfKey(key);
    if (!owner) throw new EasynetError("FRAME_MALFORMED", { reason: "the key of a row is not one of a batch" });
    const read = readBatch(value);
    const { epoch, lane, first, sentAtMs } = read;
    // A wall clock that was set back makes them younger, never older than they are.
    const bornAtMs = clock.monotonicMs() - Math.max(0, clock.nowMs() - sentAtMs);
    const batch = new SentBatch({ peer: owner.peer, epoch, lane, first, sentAtMs, bornAtMs, held: false });
    const lifetimeMs = Math.max(...read.messages.map((message) => message.lifetimeMs));
    batch.recover({ ...read, byteLength: value.length + PREFIX_BYTES, lifetimeMs });
    this.#owed(owner.peer).step({ kind: "batch", batch });
  }

  #onSealed(batch: SentBatch): void {
    if (batch.held) this.#held.push(batch);
    else if (batch.hasRow) this.#unstored.push(batch);
  }

  #onAcknowledged(batch: SentBatch): void {
    const { counts, metrics } = this.#shared;
    counts.acknowledged += batch.count;
    metrics.count("easynet_messages_acknowledged_total", {}, batch.count);
    batch.acknowledged.settle();
    // Safe there is as good as safe here.
    batch.stored.settle();
    if (batch.hasRow) this.#delete(batch);
  }

  #delete(batch: SentBatch): void {
    batch.gone = true;
    this.#deletes.push(deleteOf(batch));
    this.#sweep ??= this.#shared.clock.setTimer(DELETE_AFTER_MS, () => this.#commitUnlessRefused());
  }

  #commitUnlessRefused(): void {
    if (!this.#retry && !this.#broken) this.#commit();
  }

  #onExpired(batch: SentBatch): void {
    const { counts, metrics } = this.#shared;
    counts.expired += batch.count;
    metrics.count("easynet_messages_expired_total", { side: "sender" }, batch.count);
    batch.gone = true;
    if (batch.hasRow) this.#bury(batch, [...this.#lettersOf(batch), deleteOf(batch)]);
    else batch.fail(new EasynetError("MESSAGE_EXPIRED", { peer: batch.peer }));
  }

  #lettersOf(batch: SentBatch): readonly Write[] {
    const { store, logger } = this.#shared;
    const row = batch.frame?.subarray(PREFIX_BYTES) ?? store.get(SPACES.outbox, batch.key);
    if (row) return this.#dead.expired(batch.peer, "out", Buffer.from(row));
    logger.error("a row of the outbox is gone", { key: batch.key });
    return [];
  }

  /** Its lane waits until its end is on disk. */
  #bury(batch: SentBatch, writes: readonly Write[]): void {
    this.#shared.commit(writes, true).then(
      () => {
        batch.fail(new EasynetError("MESSAGE_EXPIRED", { peer: batch.peer }));
        this.#peers.get(batch.peer)?.step({ kind: "buried", batch });
      },
      (error: unknown) => {
        if (isPassing(error) && !this.#closed) {
          this.#shared.clock.setTimer(STORE_RETRY_MS, () => this.#bury(batch, writes));
        } else batch.fail(toEasynetError(error));
      },
    );
  }

  /** What was sealed in this turn. What it deletes needs no fsync: sent again, it is found to be a duplicate. */
  #commit(): void {
    this.#sweep?.cancel();
    this.#sweep = undefined;
    let deletes = this.#deletes;
    this.#deletes = [];
    const waiting = this.#unstored.filter((batch) => !batch.gone);
    this.#unstored = [];
    if (waiting.length === 0 && deletes.length === 0) {
      // What the disk refused was acknowledged meanwhile: the next message finds out how it is.
      this.#storeError = undefined;
      return;
    }
    do {
      const batches = waiting.splice(0, fitting(waiting));
      this.#write(batches, deletes);
      deletes = [];
    } while (waiting.length > 0);
  }

  #write(batches: readonly SentBatch[], deletes: readonly Write[]): void {
    const writes: Write[] = batches.map((batch) => ({
      kind: "put",
      space: SPACES.outbox,
      key: batch.key,
      value: batch.row,
    }));
    const strongest = batches.reduce((most, batch) => Math.max(most, batch.durability), 1);
    this.#shared.commit([...writes, ...deletes], DURABILITIES[strongest] === "disk").then(
      () => this.#onCommitted(batches),
      (error: unknown) => this.#onRefused(batches, deletes, error),
    );
  }

  #onCommitted(batches: readonly SentBatch[]): void {
    this.#storeError = undefined;
    for (const batch of batches) this.#onStored(batch);
  }

  #onStored(batch: SentBatch): void {
    batch.rowWritten = true;
    batch.stored.settle();
    this.#peers.get(batch.peer)?.onStored(batch);
  }

  /** A full disk: nothing more is taken, and what was taken is kept in memory until it can be written. */
  #onRefused(batches: readonly SentBatch[], deletes: readonly Write[], thrown: unknown): void {
    const error = toEasynetError(thrown);
    const { clock, logger } = this.#shared;
    this.#storeError = error;
    if (!isPassing(error)) {
      this.#broken = true;
      if (!this.#closed) logger.error("messages cannot be stored", { error });
      for (const batch of batches) batch.stored.settle(error);
      return;
    }
    this.#unstored = [...batches, ...this.#unstored];
    this.#deletes = [...deletes, ...this.#deletes];
    if (this.#closed || this.#retry) return;
    this.#retry = clock.setTimer(STORE_RETRY_MS, () => {
      this.#retry = undefined;
      this.#commit();
    });
  }
}

/** How many of the batches go into one commit. */
function fitting(batches: readonly SentBatch[]): number {
  let bytes = 0;
  const end = batches.findIndex((batch) => (bytes += batch.byteLength) > COMMIT_BYTES_MAX);
  return end < 0 ? batches.length : Math.max(1, end);
}

/** A state of the disk that may end by itself. */
export function isPassing(error: unknown): boolean {
  return isEasynetError(error, "STORAGE_FULL") || isEasynetError(error, "OVERLOADED");
}

function deleteOf(batch: SentBatch): Write {
  return { kind: "delete", space: SPACES.outbox, key: batch.key };
}
