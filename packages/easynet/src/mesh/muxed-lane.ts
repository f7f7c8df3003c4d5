import { EasynetError } from "../kernel/index.ts";
import type { LaneStream } from "./fabric.ts";

/** A lane's `send` answers false above this. */
const LANE_HIGH_WATER_BYTES = 256 * 1024;
/** `onDrain` runs when a lane that was above the high-water mark falls below this. */
const LANE_LOW_WATER_BYTES = 64 * 1024;
/** `send` throws above this: somebody ignored the high-water mark. */
const LANE_BUFFERED_BYTES_MAX = 32 * 1024 * 1024;
/** What arrives on a lane that nobody listens to yet; more ends the lane. */
const LANE_UNREAD_BYTES_MAX = 4 * 1024 * 1024;

/** What a lane asks of its connection. */
export interface LaneOwner {
  /** True when it was written at once; false: it must be queued. */
  tryWrite(lane: MuxedLane, bytes: Uint8Array): boolean;
  /** Something was queued, or the lane ends. */
  wake(): void;
  reset(lane: MuxedLane, reason: Error): void;
}

export interface MuxedLaneOptions {
  readonly owner: LaneOwner;
  readonly id: number;
  readonly name: string;
  /** 0 = most urgent. */
  readonly urgency: number;
}

/** One lane of a connection: its queue, and what is told to whoever uses it. */
export class MuxedLane implements LaneStream {
  readonly id: number;
  readonly name: string;
  readonly urgency: number;
  readonly #owner: LaneOwner;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #needsDrain = false;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #onData: ((chunk: Uint8Array) => void) | undefined;
  #onDrain: (() => void) | undefined;
  #onClose: ((error?: Error) => void) | undefined;
  #ending: PromiseWithResolvers<void> | undefined;
  #closed: { readonly error: Error | undefined } | undefined;

  constructor(options: MuxedLaneOptions) {
    this.#owner = options.owner;
    this.id = options.id;
    this.name = options.name;
    this.urgency = options.urgency;
  }

  get bufferedBytes(): number {
    return this.#queuedBytes;
  }

  /** Nothing queued and told to end: the end may be written. */
  get isEnding(): boolean {
    return this.#ending !== undefined && this.#closed === undefined;
  }

  send(bytes: Uint8Array): boolean {
    if (this.#closed || this.#ending) {
      throw new EasynetError("LINK_CLOSED", { peer: "The peer", reason: `lane ${this.name} is closed` });
    }
    if (this.#queuedBytes === 0 && this.#owner.tryWrite(this, bytes)) return true;
    if (this.#queuedBytes + bytes.length > LANE_BUFFERED_BYTES_MAX) {
      throw new EasynetError("BACKPRESSURE", { peer: "The peer", lane: this.name, bytes: this.#queuedBytes });
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#owner.wake();
    if (this.#queuedBytes <= LANE_HIGH_WATER_BYTES) return true;
    this.#needsDrain = true;
    return false;
  }

  onData(handler: (chunk: Uint8Array) => void): void {
    this.#onData = handler;
    const unread = this.#unread;
    this.#unread = [];
    this.#unreadBytes = 0;
    for (const chunk of unread) this.receive(chunk);
  }

  onDrain(handler: () => void): void {
    this.#onDrain = handler;
  }

  onClose(handler: (error?: Error) => void): void {
    this.#onClose = handler;
    if (this.#closed) this.#tellClosed(this.#closed.error);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#ending ??= Promise.withResolvers();
    this.#owner.wake();
    await this.#ending.promise;
  }

  abort(reason: Error): void {
    if (!this.#closed) this.#owner.reset(this, reason);
  }

  /** A part of what the other end sent. A handler that throws loses its lane, not the connection. */
  receive(chunk: Uint8Array): void {
    if (this.#closed) return;
    if (!this.#onData) {
      this.#unread.push(Uint8Array.from(chunk));
      this.#unreadBytes += chunk.length;
      if (this.#unreadBytes > LANE_UNREAD_BYTES_MAX) this.abort(new Error(`nobody reads lane ${this.name}`));
      return;
    }
    try {
      this.#onData(chunk);
    } catch (error) {
      this.abort(asError(error));
    }
  }

  /** Moves queued bytes to the start of `target`, as many as fit; returns how many. */
  takeInto(target: Uint8Array): number {
    let used = 0;
    let count = 0;
    for (const piece of this.#queue) {
      const room = target.length - used;
      if (piece.length > room) {
        if (room > 0) target.set(piece.subarray(0, room), used);
        this.#queue[count] = piece.subarray(room);
        used += room;
        break;
      }
      target.set(piece, used);
      used += piece.length;
      count++;
    }
    this.#queue.splice(0, count);
    this.#queuedBytes -= used;
    return used;
  }

  /** To be called after `takeInto`: tells the sender that there is room again. */
  afterTake(): void {
    if (!this.#needsDrain || this.#queuedBytes > LANE_LOW_WATER_BYTES || this.#closed) return;
    this.#needsDrain = false;
    try {
      this.#onDrain?.();
    } catch (error) {
      this.abort(asError(error));
    }
  }

  /** The lane is over; called once by its connection. */
  finish(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = { error };
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#ending?.resolve();
    this.#tellClosed(error);
  }

  #tellClosed(error: Error | undefined): void {
    const handler = this.#onClose;
    this.#onClose = undefined;
    try {
      handler?.(error);
    } catch {
      // The lane is over either way, and nobody is left to tell.
    }
  }
}

export function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
