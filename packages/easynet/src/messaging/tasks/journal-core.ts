/**
 * The events of one stored task between the agent and the disk. An event gets its number when it is taken, numbers
 * rise by one from 1, and nobody is shown an event before it is written: what a caller has seen is on disk with this
 * number, whatever happens to this process. One segment is written at a time; what comes meanwhile joins the next.
 */
import { SEGMENT_BYTES_MAX, WAITING_BYTES_MAX } from "./limits.ts";

/** Consecutive events that are written together. */
export interface Segment {
  /** Number of the first of them. */
  readonly first: number;
  readonly events: readonly Uint8Array[];
  /** The last of them ends the task. */
  readonly ends: boolean;
}

export interface JournalStart {
  /** Number of the last event on disk; 0 = none. */
  readonly stored: number;
  /** Bytes of the events on disk. */
  readonly bytes: number;
  /** The last event on disk ends the task. */
  readonly finished: boolean;
}

export class TaskJournal {
  #stored: number;
  #bytes: number;
  #finished: boolean;
  #ending: boolean;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Segment | undefined;

  constructor({ stored, bytes, finished }: JournalStart = { stored: 0, bytes: 0, finished: false }) {
    this.#stored = stored;
    this.#bytes = bytes;
    this.#finished = finished;
    this.#ending = finished;
  }

  /** Number of the last event that may be shown. */
  get stored(): number {
    return this.#stored;
  }

  /** Bytes taken, written or not. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The end of the task is on disk. */
  get finished(): boolean {
    return this.#finished;
  }

  /** The end of the task was taken: no other event is. */
  get ending(): boolean {
    return this.#ending;
  }

  /** Too much waits for the disk: the agent pauses. */
  get crowded(): boolean {
    return this.#waitingBytes > WAITING_BYTES_MAX;
  }

  /** Takes an event; false after the end, when it is dropped. */
  append(event: Uint8Array, ends: boolean): boolean {
    if (this.#ending) return false;
    this.#ending = ends;
    this.#waiting.push(event);
    this.#waitingBytes += event.length;
    this.#bytes += event.length;
    return true;
  }

  /** The next segment to write; undefined while one is being written or nothing waits. */
  take(): Segment | undefined {
    if (this.#writing || this.#waiting.length === 0) return undefined;
    let [count, bytes] = [0, 0];
    for (const event of this.#waiting) {
      if (count > 0 && bytes + event.length > SEGMENT_BYTES_MAX) break;
      count++;
      bytes += event.length;
    }
    const events = this.#waiting.splice(0, count);
    this.#waitingBytes -= bytes;
    this.#writing = { first: this.#stored + 1, events, ends: this.#ending && this.#waiting.length === 0 };
    return this.#writing;
  }

  /** The segment is on disk. */
  written(): void {
    const segment = this.#writing;
    if (!segment) return;
    this.#writing = undefined;
    this.#stored += segment.events.length;
    this.#finished = segment.ends;
  }

  /** The segment is not on disk: its events wait again, before those that came later. */
  unwritten(): void {
    const segment = this.#writing;
    if (!segment) return;
    this.#writing = undefined;
    this.#waiting = [...segment.events, ...this.#waiting];
    this.#waitingBytes += segment.events.reduce((sum, event) => sum + event.length, 0);
  }
}
