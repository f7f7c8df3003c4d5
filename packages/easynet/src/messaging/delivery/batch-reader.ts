import { isUtf8 } from "node:buffer";
import { EasynetError } from "../../kernel/index.ts";
import {
  BATCH_HEADER_BYTES,
  BATCH_VERSION,
  DURABILITIES,
  FLAG,
  FLAGS_ALL,
  PREFIX_BYTES,
  SIGNATURE_BYTES,
  SIGNED_BATCH_VERSION,
} from "./batch-layout.ts";
import {
  BATCH_BYTES_MAX,
  BATCH_COUNT_MAX,
  BATCH_KINDS_MAX,
  KIND_BYTES_MAX,
  LIFETIME_MS_MAX,
  PAYLOAD_BYTES_MAX,
  TEXT_BYTES_MAX,
} from "./limits.ts";
import type { BatchRange, Position } from "./position.ts";

/** One message as it lies in its batch. */
export interface BatchMessage {
  readonly kind: string;
  readonly payload: Uint8Array;
  readonly lifetimeMs: number;
  readonly id: Uint8Array;
  readonly correlationId: Uint8Array | undefined;
  /** In the order of TEXT_FIELDS; empty when it has none. */
  readonly texts: readonly (string | undefined)[];
}

export interface DecodedBatch extends BatchRange {
  readonly lane: number;
  readonly durability: number;
  /** Wall clock of the sender. */
  readonly sentAtMs: number;
  /** The sender signed it (batch-signature.ts); whether rightly was not looked at. */
  readonly signed: boolean;
  readonly messages: readonly BatchMessage[];
}

export interface BatchPrefix {
  /** How long ago the batch was sent, by the sender's clock. */
  readonly ageMs: number;
  /** The recipient must have everything up to here before it takes the batch; nothing between the two is owed. */
  readonly after: Position;
}

const NO_TEXTS: readonly (string | undefined)[] = [];
/** Smallest message: flags, kind, lifetime, id, payload length. */
const MESSAGE_BYTES_MIN = 28;
/** A batch of one message of the largest size, with all its texts. */
export const BATCH_FRAME_BYTES_MAX =
  PREFIX_BYTES +
  BATCH_HEADER_BYTES +
  Math.max(
    BATCH_BYTES_MAX,
    PAYLOAD_BYTES_MAX + MESSAGE_BYTES_MIN + KIND_BYTES_MAX + 1 + 16 + 5 * (1 + TEXT_BYTES_MAX),
  ) +
  SIGNATURE_BYTES;

/** Writes what is before the batch in its frame. */
export function writePrefix(frame: Buffer, { ageMs, after }: BatchPrefix): void {
  frame[0] = BATCH_VERSION;
  frame.writeUIntLE(Math.max(0, Math.floor(ageMs)), 1, 6);
  frame.writeUIntLE(after.epoch, 7, 6);
  frame.writeUIntLE(after.sequence, 13, 6);
}

/** @throws {EasynetError} FRAME_MALFORMED, FRAME_TOO_LARGE */
export function readPrefix(frame: Buffer): BatchPrefix {
  if (frame.length > BATCH_FRAME_BYTES_MAX) {
    throw new EasynetError("FRAME_TOO_LARGE", { bytes: frame.length, bytesMax: BATCH_FRAME_BYTES_MAX });
  }
  if (frame.length < PREFIX_BYTES + BATCH_HEADER_BYTES + MESSAGE_BYTES_MIN) throw malformed("it is too short");
  if (frame[0] !== BATCH_VERSION) throw malformed("its version is not known");
  const after = { epoch: frame.readUIntLE(7, 6), sequence: frame.readUIntLE(13, 6) };
  return { ageMs: frame.readUIntLE(1, 6), after };
}

/**
 * Reads a batch whole, so that nothing of one that is damaged is taken. Payloads and ids are views of `bytes`.
 * @throws {EasynetError} FRAME_MALFORMED; never with anything of the content
 */
export function readBatch(bytes: Buffer): DecodedBatch {
  if (bytes.length < BATCH_HEADER_BYTES + MESSAGE_BYTES_MIN) throw malformed("it is too short");
  const lane = bytes[1] ?? 255;
  const durability = bytes[2] ?? 255;
  const epoch = bytes.readUIntLE(3, 6);
  const first = bytes.readUIntLE(9, 6);
  const count = bytes.readUInt16LE(15);
  const signed = isSigned(bytes);
  if (!signed && bytes[0] !== BATCH_VERSION) throw malformed("its version is not known");
  if (lane > 3 || durability >= DURABILITIES.length) throw malformed("its lane or durability is not known");
  if (epoch < 1 || first < 1) throw malformed("its epoch and sequence do not begin at 1");
  if (count < 1 || count > BATCH_COUNT_MAX) throw malformed("its count is out of range");
  if (count * MESSAGE_BYTES_MIN > bytes.length) throw malformed("it holds less than its count says");
  const reader = new MessageReader(messagesOf(bytes));
  const messages: BatchMessage[] = [];
  for (let index = 0; index < count; index++) messages.push(reader.next());
  if (!reader.atEnd) throw malformed("bytes follow its last message");
  return { lane, durability, epoch, first, count, sentAtMs: bytes.readUIntLE(17, 6), signed, messages };
}

/** Whether a signature ends the batch. */
export function isSigned(bytes: Buffer): boolean {
  return bytes[0] === SIGNED_BATCH_VERSION && bytes.length > BATCH_HEADER_BYTES + SIGNATURE_BYTES;
}

/**
 * The bytes of each message as they would lie in a batch of it alone, with its kind written out: what a signature is
 * about. @throws {EasynetError} FRAME_MALFORMED
 */
export function readLeaves(bytes: Buffer): readonly Uint8Array[] {
  const reader = new MessageReader(messagesOf(bytes));
  const leaves: Uint8Array[] = [];
  while (!reader.atEnd) leaves.push(reader.nextLeaf());
  return leaves;
}

/** Header and messages, without a signature. */
function messagesOf(bytes: Buffer): Buffer {
  return isSigned(bytes) ? bytes.subarray(0, -SIGNATURE_BYTES) : bytes;
}

class MessageReader {
  readonly #bytes: Buffer;
  readonly #kinds: string[] = [];
  #offset = BATCH_HEADER_BYTES;
  /** What lies behind the kind of the last message. */
  #restAt = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  next(): BatchMessage {
    const bytes = this.#bytes;
    const flags = this.#byte();
    if (flags > FLAGS_ALL) throw malformed("a message has unknown flags");
    const kind = this.#kind();
    const at = this.#skip(22);
    this.#restAt = at;
    const lifetimeMs = bytes.readUIntLE(at, 6);
    if (lifetimeMs < 1 || lifetimeMs > LIFETIME_MS_MAX) throw malformed("a message's lifetime is out of range");
    const id = bytes.subarray(at + 6, at + 22);
    const correlationId = flags & FLAG.correlationId ? this.#view(16) : undefined;
    const texts = flags > FLAG.correlationId ? this.#texts(flags) : NO_TEXTS;
    const length = bytes.readUInt32LE(this.#skip(4));
    if (length > PAYLOAD_BYTES_MAX) throw malformed("a payload is too large");
    return { kind, payload: this.#payload(length), lifetimeMs, id, correlationId, texts };
  }

  nextLeaf(): Uint8Array {
    const flags = this.#bytes[this.#offset] ?? 0;
    const { kind } = this.next();
    const name = Buffer.from(kind);
    return Buffer.concat([
      Uint8Array.of(flags, 0, name.length),
      name,
      this.#bytes.subarray(this.#restAt, this.#offset),
    ]);
  }

  #kind(): string {
    const index = this.#byte();
    const known = this.#kinds[index];
    if (known !== undefined) return known;
    if (index !== this.#kinds.length || index >= BATCH_KINDS_MAX) throw malformed("a kind is not numbered in order");
    const length = this.#byte();
    if (length < 1 || length > KIND_BYTES_MAX) throw malformed("a kind is too long");
    const kind = this.#text(length);
    this.#kinds.push(kind);
    return kind;
  }

  #texts(flags: number): readonly (string | undefined)[] {
    const texts: (string | undefined)[] = [];
    for (let bit: number = FLAG.trace; bit <= FLAG.to; bit <<= 1) {
      texts.push(flags & bit ? this.#text(this.#byte()) : undefined);
    }
    return texts;
  }

  #text(length: number): string {
    const view = this.#view(length);
    if (!isUtf8(view)) throw malformed("a text is not UTF-8");
    return view.toString();
  }

  /** Not a Buffer: handlers get what they would get from any other source of bytes. */
  #payload(length: number): Uint8Array {
    const at = this.#skip(length);
    const { buffer, byteOffset } = this.#bytes;
    return new Uint8Array(buffer, byteOffset + at, length);
  }

  #view(length: number): Buffer {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  #byte(): number {
    return this.#bytes[this.#skip(1)] ?? 0;
  }

  /** Moves on; returns where it was. */
  #skip(length: number): number {
    const at = this.#offset;
    this.#offset = at + length;
    if (this.#offset > this.#bytes.length) throw malformed("it ends within a message");
    return at;
  }
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `a batch: ${reason}` });
}
