import type { Did } from "../../identity/index.ts";
import type { Clock } from "../../kernel/index.ts";
import type { BatchMessage, DecodedBatch } from "./batch-reader.ts";
import { readBatch } from "./batch-reader.ts";
import type { InboxBatch } from "./inbox-core.ts";
import { NUMBER_MAX } from "./limits.ts";
import type { Arrival } from "./received-message.ts";
import { batchKey, INBOX_ROW_PREFIX_BYTES } from "./rows.ts";

/** One batch that came from a peer, until its last message is handled. */
export class ReceivedBatch implements InboxBatch, Arrival {
  readonly sender: Did;
  readonly lane: number;
  readonly epoch: number;
  readonly first: number;
  readonly count: number;
  readonly durability: number;
  readonly byteLength: number;
  readonly messages: readonly BatchMessage[];
  /** When it was sent, on this node's clocks: wall, and monotonic. */
  readonly sentAtMs: number;
  readonly bornAtMs: number;
  next = 0;
  stored = false;
  /** Of the handler, for the message at `next`. */
  firstError = "";
  readonly signed: boolean;
  /** When it was sent, on the sender's wall clock. */
  readonly writtenAtMs: number;
  /** As it came, without a prefix. */
  readonly bytes: Buffer;

  private constructor(sender: Did, read: DecodedBatch, at: BatchOrigin) {
    this.sender = sender;
    this.lane = read.lane;
    this.epoch = read.epoch;
    this.first = read.first;
    this.count = read.count;
    this.durability = read.durability;
    this.messages = read.messages;
    this.signed = read.signed;
    this.writtenAtMs = read.sentAtMs;
    this.byteLength = at.byteLength;
    this.sentAtMs = at.sentAtMs;
    this.bornAtMs = at.bornAtMs;
    this.bytes = at.bytes;
  }

  /** @param bytes the batch, kept. @throws {EasynetError} FRAME_MALFORMED */
  static arrived(
    sender: Did,
    bytes: Buffer,
    at: { readonly ageMs: number; readonly clock: Clock; readonly byteLength: number },
  ): ReceivedBatch {
    const { clock, ageMs, byteLength } = at;
    const sentAtMs = Math.max(0, Math.floor(clock.nowMs() - ageMs));
    const bornAtMs = clock.monotonicMs() - ageMs;
    return new ReceivedBatch(sender, readBatch(bytes), { bytes, byteLength, sentAtMs, bornAtMs });
  }

  /** From its row. A wall clock that was set back makes it younger, never older than it is. @throws as `arrived` */
  static fromRow(sender: Did, row: Buffer, clock: Clock): ReceivedBatch {
    const sentAtMs = row.readUIntLE(0, INBOX_ROW_PREFIX_BYTES);
    const bytes = row.subarray(INBOX_ROW_PREFIX_BYTES);
    const bornAtMs = clock.monotonicMs() - Math.max(0, clock.nowMs() - sentAtMs);
    const batch = new ReceivedBatch(sender, readBatch(bytes), { bytes, byteLength: row.length, sentAtMs, bornAtMs });
    batch.stored = true;
    return batch;
  }

  get key(): string {
    return batchKey(this.sender, this.lane, this);
  }

  toRow(): Uint8Array {
    const row = Buffer.allocUnsafe(INBOX_ROW_PREFIX_BYTES + this.bytes.length);
    row.writeUIntLE(Math.min(NUMBER_MAX, this.sentAtMs), 0, INBOX_ROW_PREFIX_BYTES);
    row.set(this.bytes, INBOX_ROW_PREFIX_BYTES);
    return row;
  }
}

interface BatchOrigin {
  readonly bytes: Buffer;
  readonly byteLength: number;
  readonly sentAtMs: number;
  readonly bornAtMs: number;
}
