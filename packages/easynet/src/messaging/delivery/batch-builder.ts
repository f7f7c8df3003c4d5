import { EasynetError, writeId } from "../../kernel/index.ts";
import { BATCH_COUNT_MAX, BATCH_BYTES_MAX, BATCH_KINDS_MAX } from "./limits.ts";
import { BATCH_HEADER_BYTES, BATCH_VERSION, FLAG, PREFIX_BYTES, TEXT_FIELDS } from "./batch-layout.ts";
import type { CheckedMessage } from "./check-message.ts";

/** First size of a batch's buffer at least: a lone message of the usual size fits. */
const BUFFER_BYTES_MIN = 1024;
/** Fixed part of a message: flags, kind, lifetime, id, payload length. */
const MESSAGE_BYTES_MIN = 1 + 1 + 6 + 16 + 4;

export interface BatchStart {
  readonly epoch: number;
  /** 0 (critical) to 3 (low). */
  readonly lane: number;
  readonly first: number;
  /** Wall clock, Unix epoch ms; of all its messages, because they were sent in one turn of the event loop. */
  readonly sentAtMs: number;
}

/** Grows the bytes of one batch; room for the prefix of its frame lies before them (docs/protocol/messages.md). */
export class BatchBuilder {
  readonly start: BatchStart;
  count = 0;
  /** The longest life among its messages, ms. */
  lifetimeMsMax = 0;
  /** Index into {@link DURABILITIES} of the strongest. */
  durability = 0;
  /** One of its messages asks for a signature. */
  signed = false;
  readonly #kinds = new Map<string, number>();
  #buffer: Buffer;
  #end = PREFIX_BYTES + BATCH_HEADER_BYTES;

  /** @param expectedBytes how large it is likely to become: that of the one before */
  constructor(start: BatchStart, expectedBytes = 0) {
    this.start = start;
    this.#buffer = Buffer.allocUnsafe(Math.max(BUFFER_BYTES_MIN, expectedBytes));
  }

  /** Bytes of the batch so far, without the prefix. */
  get byteLength(): number {
    return this.#end - PREFIX_BYTES;
  }

  /** False when the message belongs into another batch. A first message always fits. */
  fits(message: CheckedMessage): boolean {
    if (this.count === 0) return true;
    if (this.count >= BATCH_COUNT_MAX || this.#kinds.size >= BATCH_KINDS_MAX) return false;
    return this.byteLength + message.payload.length + message.textBytes + MESSAGE_BYTES_MIN <= BATCH_BYTES_MAX;
  }

  /** Adds a message that fits; returns where its id lies in {@link bytes}. */
  add(message: CheckedMessage): number {
    const { payload, texts, lifetimeMs, durability } = message;
    this.#reserve(MESSAGE_BYTES_MIN + message.textBytes + payload.length);
    const buffer = this.#buffer;
    let offset = this.#end;
    buffer[offset] = message.flags;
    offset = this.#putKind(message.kind, offset + 1);
    buffer.writeUIntLE(lifetimeMs, offset, 6);
    const idOffset = offset + 6;
    if (message.id) buffer.set(message.id, idOffset);
    else writeId(buffer, idOffset, this.start.sentAtMs);
    offset = idOffset + 16;
    if (message.correlationId) {
      buffer.set(message.correlationId, offset);
      offset += 16;
    }
    if (message.flags > FLAG.correlationId) {
      for (let index = 0; index < TEXT_FIELDS.length; index++) {
        const text = texts[index];
        if (text === undefined) continue;
        const written = buffer.write(text, offset + 1);
        buffer[offset] = written;
        offset += 1 + written;
      }
    }
    buffer.writeUInt32LE(payload.length, offset);
    buffer.set(payload, offset + 4);
    this.#end = offset + 4 + payload.length;
    this.count += 1;
    if (lifetimeMs > this.lifetimeMsMax) this.lifetimeMsMax = lifetimeMs;
    if (message.signed) this.signed = true;
    if (durability > this.durability) this.durability = durability;
    return idOffset;
  }

  /** The bytes so far, prefix included; the last view is the frame. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#end);
  }

  /** Writes the header; nothing may be added afterwards. The first `PREFIX_BYTES` are the caller's. */
  seal(): Buffer {
    const { epoch, lane, first, sentAtMs } = this.start;
    if (this.count === 0) throw new EasynetError("INTERNAL", { reason: "a batch without messages was sealed" });
    const buffer = this.#buffer;
    buffer[PREFIX_BYTES] = BATCH_VERSION;
    buffer[PREFIX_BYTES + 1] = lane;
    buffer[PREFIX_BYTES + 2] = this.durability;
    buffer.writeUIntLE(epoch, PREFIX_BYTES + 3, 6);
    buffer.writeUIntLE(first, PREFIX_BYTES + 9, 6);
    buffer.writeUInt16LE(this.count, PREFIX_BYTES + 15);
    buffer.writeUIntLE(Math.max(0, Math.floor(sentAtMs)), PREFIX_BYTES + 17, 6);
    return this.bytes;
  }

  /** A kind is written out where it is first used, later only its number. */
  #putKind(kind: string, offset: number): number {
    const known = this.#kinds.get(kind);
    this.#buffer[offset] = known ?? this.#kinds.size;
    if (known !== undefined) return offset + 1;
    this.#kinds.set(kind, this.#kinds.size);
    const written = this.#buffer.write(kind, offset + 2);
    this.#buffer[offset + 1] = written;
    return offset + 2 + written;
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    grown.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = grown;
  }
}
