import type { Did } from "../../identity/index.ts";
import { EasynetError, type Timer, toEasynetError } from "../../kernel/index.ts";
import type { MeshFrame } from "../../mesh/index.ts";
import type { Write } from "../../storage/index.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import { encodeReports } from "./ack-codec.ts";
import { DURABILITIES, PREFIX_BYTES } from "./batch-layout.ts";
import { laneLabel } from "./shared.ts";
import { readPrefix } from "./batch-reader.ts";
import { isSignedBy } from "./batch-signature.ts";
import type { DeadLetterBook, StoredLetter } from "./dead-letters.ts";
import { PendingEffects } from "./effects.ts";
import { Handling } from "./handling.ts";
import { InboxCore, type LaneSnapshot } from "./inbox-core.ts";
import { HANDLED_PER_TURN_MAX, INTAKE_BYTES_MAX, STORE_RETRY_MS } from "./limits.ts";
import { isPassing, type Outbox } from "./outbox.ts";
import { ReceivedBatch } from "./received-batch.ts";
import type { Position } from "./position.ts";
import { decodePositions, encodePositions, peerOfKey, positionKey, SPACES } from "./rows.ts";
import type { SentBatch } from "./sent-batch.ts";
import { SignedBook } from "./signed-book.ts";
import type { DeliveryShared } from "./shared.ts";
import type { MessageHandler } from "./types.ts";

type Core = InboxCore<ReceivedBatch>;

/** What came from one peer. */
interface Sender {
  readonly did: Did;
  readonly core: Core;
  /** Lanes that the peer is to be told of with the next flush. */
  readonly tell: Set<number>;
  timer: Timer | undefined;
  timerAtMs: number;
}

/** What one commit makes durable. */
interface Group {
  readonly writes: readonly Write[];
  readonly lanes: readonly { readonly sender: Sender; readonly lane: number; readonly snapshot: LaneSnapshot }[];
  readonly effects: { readonly writes: readonly Write[]; readonly group: number };
  readonly held: readonly SentBatch[];
  readonly disk: boolean;
  readonly waiters: readonly Waiter[];
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const PAGE_COUNT = 100;

/**
 * The receiving half of delivery. One commit at a time: positions, rows, effects and outgoing messages of everything
 * that was taken and handled until then, so that what is durable is always one consistent cut.
 */
export class Inbox {
  readonly effects: PendingEffects;
  readonly signed: SignedBook;
  readonly #shared: DeliveryShared;
  readonly #outbox: Outbox;
  readonly #handling: Handling;
  readonly #senders = new Map<Did, Sender>();
  readonly #byCore = new Map<Core, Sender>();
  /** Who has something to handle, in order of their turns; who changed since the last commit; who is to be told. */
  readonly #ready = new Set<Sender>();
  readonly #changed = new Set<Sender>();
  readonly #telling = new Set<Sender>();
  /** Rows of batches that are done with. */
  #finished: Write[] = [];
  #heldBytes = 0;
  /** Taken since the last commit was put together. */
  #intakeBytes = 0;
  #committing: Promise<void> | undefined;
  readonly #waiters: Waiter[] = [];
  #broken = false;
  #closed = false;

  constructor(shared: DeliveryShared, outbox: Outbox, dead: DeadLetterBook) {
    this.#shared = shared;
    this.#outbox = outbox;
    this.signed = new SignedBook(shared);
    this.effects = new PendingEffects(shared.store);
    this.#handling = new Handling({
      ...shared,
      dead,
      outbox,
      effects: this.effects,
      onFinished: (core, batch) => this.#onFinished(core, batch),
      onReady: (core) => this.#onReady(core),
    });
  }

  /** Reads what an earlier life of this node had taken. */
  recover(): void {
    this.#eachRow(SPACES.positions, (key, value) => {
      const owner = peerOfKey(key);
      const positions = decodePositions(value);
      if (!owner || !positions) throw new EasynetError("FRAME_MALFORMED", { reason: "a row of positions" });
      this.#senderOf(owner.peer).core.restore(owner.lane, positions);
    });
    this.#eachRow(SPACES.inbox, (key, value) => {
      const owner = peerOfKey(key);
      if (!owner) throw new EasynetError("FRAME_MALFORMED", { reason: "the key of a row is not one of a batch" });
      const batch = ReceivedBatch.fromRow(owner.peer, Buffer.from(value), this.#shared.clock);
      const sender = this.#senderOf(owner.peer);
      if (sender.core.recover(batch)) {
        this.#heldBytes += batch.byteLength;
        this.#ready.add(sender);
      } else this.#finished.push({ kind: "delete", space: SPACES.inbox, key });
    });
  }

  handle(handler: MessageHandler): void {
    this.#handling.handler = handler;
    this.#shared.schedule();
  }

  /** A batch arrived. What cannot be read is dropped and counted. */
  onBatch({ from, body }: MeshFrame): void {
    const { clock, metrics, logger } = this.#shared;
    if (this.#closed || this.#broken) return;
    const frame = Buffer.from(body);
    let batch: ReceivedBatch;
    let after: Position;
    try {
      const prefix = readPrefix(frame);
      after = prefix.after;
      const at = { ageMs: prefix.ageMs, clock, byteLength: frame.length };
      batch = ReceivedBatch.arrived(from, frame.subarray(PREFIX_BYTES), at);
      if (batch.signed && !isSignedBy(from, this.#shared.mesh.self, batch.bytes)) {
        throw new EasynetError("FRAME_MALFORMED", { reason: "a batch: its signature is not its sender's" });
      }
    } catch (error) {
      metrics.count("easynet_messages_refused_total", { reason: "malformed" });
      logger.debug("batch not read", { peer: from, error });
      return;
    }
    this.#offer(batch, after);
  }

  /**
   * A batch that another member kept for this node. Resolves when it is on disk that it was taken, whatever its
   * durability: what comes behind it may come from nowhere else, and names it as what must be had before.
   */
  async onMail(batch: ReceivedBatch, after: Position): Promise<"taken" | "later"> {
    if (this.#closed || this.#broken) return "later";
    const verdict = this.#offer(batch, after);
    if (verdict !== "taken" && verdict !== "duplicate") return "later";
    this.#senderOf(batch.sender).core.change(batch.lane, DURABILITIES.indexOf("disk"));
    await this.#committed();
    return "taken";
  }

  #offer(batch: ReceivedBatch, after: Position): ReturnType<Core["offer"]> {
    const { clock, metrics, limits } = this.#shared;
    if (!this.#senders.has(batch.sender) && this.#senders.size >= limits.peersCountMax) {
      metrics.count("easynet_messages_refused_total", { reason: "peers-full" });
      return "full";
    }
    const sender = this.#senderOf(batch.sender);
    const roomBytes = Math.min(limits.inboxBytesMax - this.#heldBytes, INTAKE_BYTES_MAX - this.#intakeBytes);
    const verdict = sender.core.offer(batch, after, { nowMs: clock.monotonicMs(), roomBytes });
    this.#onVerdict(sender, batch, verdict);
    return verdict;
  }

  #onVerdict(sender: Sender, batch: ReceivedBatch, verdict: ReturnType<Core["offer"]>): void {
    const { counts, metrics } = this.#shared;
    switch (verdict) {
      case "taken":
        counts.received += batch.count - batch.next;
        metrics.count("easynet_messages_received_total", laneLabel(batch.lane), batch.count - batch.next);
        this.#heldBytes += batch.byteLength;
        this.#intakeBytes += batch.byteLength;
        this.#ready.add(sender);
        this.#shared.schedule();
        return;
      case "gap":
        metrics.count("easynet_messages_gaps_total");
        this.#send(sender.did, "message-gap", encodeReports([sender.core.report(batch.lane)]));
        return;
      case "gap-known":
        return;
      case "duplicate":
        counts.duplicates += batch.count;
        metrics.count("easynet_messages_duplicate_total", {}, batch.count);
        this.#tell(sender, batch.lane);
        this.#shared.schedule();
        return;
      case "full":
        metrics.count("easynet_messages_refused_total", { reason: "inbox-full" });
        this.#tell(sender, batch.lane);
        this.#shared.schedule();
    }
  }

  /** On a new link the peer is told at once what this node has of every lane, and what it takes. */
  onLinked(did: Did): void {
    const core = this.#senders.get(did)?.core ?? new InboxCore<ReceivedBatch>(this.#shared.limits.inboxLaneBytesMax);
    this.#send(did, "message-watermarks", encodeReports(core.lanes.map((_, lane) => core.report(lane))));
  }

  /** Handles what came in this turn, commits, tells. */
  flush(): void {
    this.#pump();
    this.#commit();
    this.#report();
  }

  /**
   * Gives a dead letter to the handler again, outside of any order; it goes with the commit of what the handler did.
   * @throws what the handler threw, {EasynetError} NODE_STOPPING
   */
  async handleAgain(letter: StoredLetter, remove: () => Write): Promise<void> {
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    await this.#handling.again(letter);
    this.effects.add([remove()]);
    await this.#committed();
  }

  /** Drops what came from a peer; the writes are the caller's to commit. */
  forget(did: Did): readonly Write[] {
    const sender = this.#senders.get(did);
    if (!sender) return [];
    const writes: Write[] = [];
    for (const [lane, { queue }] of sender.core.lanes.entries()) {
      writes.push({ kind: "delete", space: SPACES.positions, key: positionKey(did, lane) });
      for (const batch of queue) {
        this.#heldBytes -= batch.byteLength;
        writes.push({ kind: "delete", space: SPACES.inbox, key: batch.key });
      }
    }
    sender.timer?.cancel();
    this.#senders.delete(did);
    this.#byCore.delete(sender.core);
    for (const set of [this.#ready, this.#changed, this.#telling]) set.delete(sender);
    return writes;
  }

  /** Nothing is handled any more; what was handled is committed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#handling.close();
    for (const sender of this.#senders.values()) sender.timer?.cancel();
    await this.#committing;
    this.#commit();
    await this.#committing;
    const stopping = new EasynetError("NODE_STOPPING", {});
    for (const { reject } of this.#waiters.splice(0)) reject(stopping);
  }

  /** Batches until nothing is ready, this turn had enough, or the disk is behind. */
  #pump(): void {
    const { handler } = this.#handling;
    const { clock } = this.#shared;
    if (!handler || this.#closed || this.#broken) return;
    const nowMs = clock.monotonicMs();
    for (let count = 0; this.#ready.size > 0; count++) {
      if (this.effects.full) return;
      if (count === HANDLED_PER_TURN_MAX) {
        this.#shared.schedule();
        return;
      }
      const [sender] = this.#ready;
      if (!sender) return;
      // To the end of the line: senders take turns.
      this.#ready.delete(sender);
      const batch = sender.core.next(nowMs);
      if (!batch) {
        this.#arm(sender);
        continue;
      }
      this.#ready.add(sender);
      this.#handling.run(sender.core, batch, handler);
    }
  }

  #onFinished(core: Core, batch: ReceivedBatch): void {
    const sender = this.#byCore.get(core);
    if (!sender) return;
    this.#heldBytes -= batch.byteLength;
    if (batch.stored) this.#finished.push({ kind: "delete", space: SPACES.inbox, key: batch.key });
    if (batch.signed) this.#finished.push(...this.signed.keep(batch));
    if (core.owesWindow(batch.lane)) this.#tell(sender, batch.lane);
  }

  #onReady(core: Core): void {
    const sender = this.#byCore.get(core);
    if (!sender) return;
    this.#ready.add(sender);
    this.#shared.schedule();
  }

  /** Wakes the sender's line when a message is to be delivered again. */
  #arm(sender: Sender): void {
    const { clock } = this.#shared;
    const { wakeAtMs } = sender.core;
    if (wakeAtMs >= sender.timerAtMs) return;
    sender.timer?.cancel();
    sender.timerAtMs = wakeAtMs;
    sender.timer = clock.setTimer(Math.max(0, wakeAtMs - clock.monotonicMs()), () => {
      sender.timerAtMs = Infinity;
      this.#onReady(sender.core);
    });
  }

  #commit(): void {
    if (this.#committing || this.#broken) return;
    const group = this.#collect();
    if (group.writes.length === 0) {
      this.#onCommitted(group);
      return;
    }
    this.#committing = this.#write(group);
    void this.#committing.then(() => {
      this.#committing = undefined;
      if (!this.#closed) this.#shared.schedule();
    });
  }

  /** Everything since the last commit: one consistent cut. */
  #collect(): Group {
    const writes: Write[] = [];
    const lanes: Group["lanes"][number][] = [];
    let needs = 0;
    for (const sender of this.#changed) {
      for (const [lane, { queue }] of sender.core.lanes.entries()) {
        const snapshot = sender.core.snapshot(lane);
        if (!snapshot) continue;
        lanes.push({ sender, lane, snapshot });
        if (snapshot.needs === 0) continue;
        needs = Math.max(needs, snapshot.needs);
        const key = positionKey(sender.did, lane);
        writes.push({ kind: "put", space: SPACES.positions, key, value: encodePositions(snapshot) });
        for (const batch of queue) {
          if (batch.stored || batch.durability === 0) continue;
          batch.stored = true;
          writes.push({ kind: "put", space: SPACES.inbox, key: batch.key, value: batch.toRow() });
        }
      }
    }
    this.#changed.clear();
    this.#intakeBytes = 0;
    writes.push(...this.#finished.splice(0));
    const held = this.#outbox.takeHeld();
    for (const batch of held) {
      if (batch.hasRow) writes.push({ kind: "put", space: SPACES.outbox, key: batch.key, value: batch.row });
      needs = Math.max(needs, batch.durability);
    }
    const effects = this.effects.take();
    writes.push(...effects.writes);
    return { writes, lanes, effects, held, disk: DURABILITIES[needs] === "disk", waiters: this.#waiters.splice(0) };
  }

  /** A full disk: the same group again and again, and nothing is acknowledged until it is written. */
  async #write(group: Group): Promise<void> {
    const { clock, logger } = this.#shared;
    for (;;) {
      try {
        await this.#shared.commit(group.writes, group.disk);
        this.#onCommitted(group);
        return;
      } catch (thrown) {
        const error = toEasynetError(thrown);
        if (!isPassing(error) || this.#closed) {
          this.#broken = true;
          if (!this.#closed) logger.error("received messages cannot be stored; none is taken any more", { error });
          for (const { reject } of group.waiters) reject(error);
          return;
        }
        await new Promise<void>((resolve) => clock.setTimer(STORE_RETRY_MS, resolve));
      }
    }
  }

  /** AFTER the commit, never before: the sender forgets what it is told of. */
  #onCommitted({ lanes, effects, held, waiters }: Group): void {
    for (const { sender, lane, snapshot } of lanes) {
      sender.core.settle(lane, snapshot);
      this.#tell(sender, lane);
    }
    this.effects.committed(effects);
    this.#outbox.release(held);
    for (const { resolve } of waiters) resolve();
    this.#handling.resume();
    this.#report();
  }

  /** Resolves with the next commit: everything that happened until now is part of it, or of one before. */
  async #committed(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#shared.schedule();
    });
  }

  #tell(sender: Sender, lane: number): void {
    sender.tell.add(lane);
    this.#telling.add(sender);
  }

  #report(): void {
    for (const { did, core, tell } of this.#telling) {
      this.#send(did, "message-ack", encodeReports([...tell].map((lane) => core.report(lane))));
      tell.clear();
    }
    this.#telling.clear();
  }

  /** A report that is lost is told again when the peer sends again. */
  #send(to: Did, type: "message-ack" | "message-gap" | "message-watermarks", body: Uint8Array): void {
    try {
      this.#shared.mesh.send(to, { lane: "high", type: FRAME_TYPES[type], body });
    } catch (error) {
      this.#shared.logger.debug("report not sent", { peer: to, error });
    }
  }

  #senderOf(did: Did): Sender {
    let sender = this.#senders.get(did);
    if (!sender) {
      const onChange = (): void => void (sender && this.#changed.add(sender));
      const core = new InboxCore<ReceivedBatch>(this.#shared.limits.inboxLaneBytesMax, onChange);
      sender = { did, core, tell: new Set(), timer: undefined, timerAtMs: Infinity };
      this.#senders.set(did, sender);
      this.#byCore.set(core, sender);
    }
    return sender;
  }

  #eachRow(space: string, take: (key: string, value: Uint8Array) => void): void {
    const { store, logger } = this.#shared;
    for (let after = ""; ;) {
      const page = store.list(space, { limit: PAGE_COUNT, ...(after !== "" && { after }) });
      for (const { key, value } of page) {
        after = key;
        try {
          take(key, value);
        } catch (error) {
          logger.error("a row of received messages cannot be read", { space, key, error });
        }
      }
      if (page.length === 0) return;
    }
  }
}
