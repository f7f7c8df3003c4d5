import type { Did } from "../../identity/index.ts";
import { type EasynetError, formatId } from "../../kernel/index.ts";
import type { BatchBuilder } from "./batch-builder.ts";
import { PREFIX_BYTES } from "./batch-layout.ts";
import type { OutboxBatch } from "./outbox-core.ts";
import { batchKey } from "./rows.ts";
import type { SentMessage } from "./types.ts";

/** A step that somebody may wait for: no promise before somebody does. */
class Milestone {
  #state: "pending" | "done" | EasynetError = "pending";
  #waiting: PromiseWithResolvers<void> | undefined;

  get promise(): Promise<void> {
    if (!this.#waiting) {
      this.#waiting = Promise.withResolvers();
      // Whoever reads it and does not wait is not to end the process.
      this.#waiting.promise.catch(() => undefined);
      this.#tell();
    }
    return this.#waiting.promise;
  }

  settle(error?: EasynetError): void {
    if (this.#state !== "pending") return;
    this.#state = error ?? "done";
    this.#tell();
  }

  #tell(): void {
    if (this.#state === "pending") return;
    if (this.#state === "done") this.#waiting?.resolve();
    else this.#waiting?.reject(this.#state);
  }
}

/** One batch that this node sends: what the core orders, its bytes, and who waits for it. */
export class SentBatch implements OutboxBatch {
  readonly peer: Did;
  readonly lane: number;
  readonly epoch: number;
  readonly first: number;
  readonly stored = new Milestone();
  readonly acknowledged = new Milestone();
  /** Wall clock, for people; monotonic, for its age. */
  readonly sentAtMs: number;
  readonly bornAtMs: number;
  count = 0;
  byteLength = 0;
  expiresAtMs = Infinity;
  durability = 0;
  transmitted = false;
  held: boolean;
  /** Prefix and batch; absent while only the store has it. */
  frame: Buffer | undefined;
  /** Transmitted in this life. */
  sentBefore = false;
  /** The frame was given to a link: its prefix must not change any more. */
  lent = false;
  /** It has a row, or will have one; it has it now; it needs none any more. */
  hasRow = false;
  rowWritten = false;
  gone = false;

  constructor(at: {
    readonly peer: Did;
    readonly lane: number;
    readonly epoch: number;
    readonly first: number;
    readonly sentAtMs: number;
    readonly bornAtMs: number;
    readonly held: boolean;
  }) {
    this.peer = at.peer;
    this.lane = at.lane;
    this.epoch = at.epoch;
    this.first = at.first;
    this.sentAtMs = at.sentAtMs;
    this.bornAtMs = at.bornAtMs;
    this.held = at.held;
  }

  get key(): string {
    return batchKey(this.peer, this.lane, this);
  }

  /** What the store keeps. */
  get row(): Uint8Array {
    return (this.frame ?? Buffer.alloc(PREFIX_BYTES)).subarray(PREFIX_BYTES);
  }

  /** @param sign makes a signed batch of one that asks for it */
  seal(builder: BatchBuilder, sign: (batch: Buffer) => Buffer): void {
    const frame = builder.seal();
    this.frame = builder.signed
      ? Buffer.concat([Buffer.alloc(PREFIX_BYTES), sign(frame.subarray(PREFIX_BYTES))])
      : frame;
    this.count = builder.count;
    this.byteLength = this.frame.length;
    this.durability = builder.durability;
    this.expiresAtMs = this.bornAtMs + builder.lifetimeMsMax;
    this.hasRow = builder.durability > 0;
    if (!this.hasRow) this.stored.settle();
  }

  /** From a row of an earlier life: its bytes stay in the store until they are wanted. */
  recover(read: {
    readonly count: number;
    readonly byteLength: number;
    readonly durability: number;
    readonly lifetimeMs: number;
  }): void {
    this.count = read.count;
    this.byteLength = read.byteLength;
    this.durability = read.durability;
    this.expiresAtMs = this.bornAtMs + read.lifetimeMs;
    // Whether it left that time is not known.
    this.transmitted = true;
    this.hasRow = true;
    this.rowWritten = true;
    this.stored.settle();
  }

  fail(error: EasynetError): void {
    this.stored.settle(error);
    this.acknowledged.settle(error);
  }
}

/** A message in a batch: two words, until somebody asks. */
export class SentHandle implements SentMessage {
  readonly #batch: SentBatch;
  readonly #builder: BatchBuilder;
  readonly #idOffset: number;

  constructor(batch: SentBatch, builder: BatchBuilder, idOffset: number) {
    this.#batch = batch;
    this.#builder = builder;
    this.#idOffset = idOffset;
  }

  get id(): string {
    return formatId(this.#builder.bytes, this.#idOffset);
  }

  get stored(): Promise<void> {
    return this.#batch.stored.promise;
  }

  get acknowledged(): Promise<void> {
    return this.#batch.acknowledged.promise;
  }
}
