import {
  type Clock,
  EasynetError,
  isEasynetError,
  type Logger,
  type Timer,
  toEasynetError,
} from "../../kernel/index.ts";
import type { AgentEvent } from "../../model/index.ts";
import type { Store, Write } from "../../storage/index.ts";
import { encodeErrorEvent } from "../error-event.ts";
import { encodeEvent } from "../event-codec.ts";
import { type JournalStart, type Segment, TaskJournal } from "./journal-core.ts";
import type { TaskLimits } from "./limits.ts";
import {
  encodeRecord,
  encodeSegment,
  EVENTS_SPACE,
  REQUESTS_SPACE,
  segmentKey,
  taskKey,
  type TaskRecord,
  TASKS_SPACE,
} from "./record-codec.ts";

/** A full disk is tried again this often. */
const RETRY_MS = 1000;

export interface StoredTaskOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: TaskLimits;
  readonly record: TaskRecord;
  /** Resolves when the request is stored. */
  readonly accepted: Promise<void>;
  /** Of the request, which is on disk until the end is. */
  readonly requestBytes: number;
  /** What an earlier process wrote. */
  readonly journal?: JournalStart;
  /** Called once, when the end is on disk. */
  readonly onEnd: (task: StoredTask) => void;
}

/** One task at its provider: its agent's events on their way to the disk, and who waits for them. */
export class StoredTask {
  readonly key: string;
  readonly accepted: Promise<void>;
  readonly requestBytes: number;
  readonly journal: TaskJournal;
  readonly #options: StoredTaskOptions;
  readonly #readers = new Set<() => void>();
  readonly #stop = new AbortController();
  #record: TaskRecord;
  /** The record with the end that is being written. */
  #ended: TaskRecord | undefined;
  #endCode = "";
  #broken: EasynetError | undefined;
  #closed = false;
  #retry: Timer | undefined;

  constructor(options: StoredTaskOptions) {
    const { record } = options;
    this.#options = options;
    this.#record = record;
    this.key = taskKey(record.caller, record.id);
    this.accepted = options.accepted;
    this.requestBytes = options.requestBytes;
    this.journal = new TaskJournal(options.journal);
  }

  get record(): TaskRecord {
    return this.#record;
  }

  /** The store broke under it: what it does from here on is not known to anybody. */
  get broken(): EasynetError | undefined {
    return this.#broken;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  cancel(reason: EasynetError): void {
    if (!this.journal.ending) this.#stop.abort(reason);
  }

  /** The node stops: the end that this brings about is not the task's own. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#notify();
  }

  /** Writes what an agent says, to the end. */
  async run(begin: () => AsyncIterable<AgentEvent>): Promise<void> {
    try {
      for await (const event of begin()) {
        if (this.#isHandedBack(event)) return;
        if (!this.#take(event)) return;
        while (this.journal.crowded && !this.#broken && !this.#closed) await this.changed(this.#stop.signal);
        if (this.#broken) return;
      }
    } catch (thrown) {
      this.fail(toEasynetError(thrown));
    }
    if (!this.#closed) this.fail(new EasynetError("INTERNAL", { reason: "an agent ended without a result" }));
  }

  /** Ends with `error`, unless it has ended. */
  fail(error: EasynetError): void {
    this.#endCode = this.journal.ending ? this.#endCode : error.code;
    if (this.journal.append(encodeErrorEvent(error), true)) this.#write();
  }

  /** Resolves when more is on disk, or nothing more will be; false when `signal` aborted first. */
  changed(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (changed: boolean): void => {
        this.#readers.delete(onChange);
        signal.removeEventListener("abort", onAbort);
        resolve(changed);
      };
      const onChange = (): void => end(true);
      const onAbort = (): void => end(false);
      this.#readers.add(onChange);
      signal.addEventListener("abort", onAbort);
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  #isHandedBack(event: AgentEvent): boolean {
    return this.#closed && event.type === "error" && event.error.code === "NODE_STOPPING";
  }

  /** False when the task is over. */
  #take(event: AgentEvent): boolean {
    const { limits, record } = this.#options;
    const { capability } = record;
    let bytes: Uint8Array;
    try {
      bytes = encodeEvent(event);
    } catch (error) {
      const reason = toEasynetError(error).message;
      this.fail(new EasynetError("OUTPUT_INVALID", { capability, reason }, { cause: error }));
      return false;
    }
    const bytesMax = Math.min(limits.eventBytesMax, limits.journalBytesMax - this.journal.bytes);
    if (bytes.length > bytesMax) {
      const whole = bytes.length > limits.eventBytesMax ? limits.eventBytesMax : limits.journalBytesMax;
      this.fail(new EasynetError("RESULT_TOO_LARGE", { capability, bytesMax: whole }));
      return false;
    }
    const ends = event.type === "final" || event.type === "error";
    if (event.type === "error") this.#endCode = event.error.code;
    if (this.journal.append(bytes, ends)) this.#write();
    return !ends;
  }

  #write(): void {
    if (this.#broken || (this.#closed && !this.journal.ending)) return;
    const segment = this.journal.take();
    if (!segment) return;
    const { store } = this.#options;
    const { durability } = this.#record;
    store.commit(this.#writesOf(segment), { durability }).then(
      () => this.#written(),
      (error: unknown) => this.#unwritten(toEasynetError(error)),
    );
  }

  #writesOf(segment: Segment): readonly Write[] {
    const { key } = this;
    const last = segment.first + segment.events.length - 1;
    const event = { space: EVENTS_SPACE, key: segmentKey(key, last), value: encodeSegment(segment) };
    if (!segment.ends) return [{ kind: "put", ...event }];
    const { bytes } = this.journal;
    const end = { atMs: this.#options.clock.nowMs(), code: this.#endCode, stored: last, bytes };
    this.#ended = { ...this.#record, end };
    return [
      { kind: "put", ...event },
      { kind: "put", space: TASKS_SPACE, key, value: encodeRecord(this.#ended) },
      { kind: "delete", space: REQUESTS_SPACE, key },
    ];
  }

  #written(): void {
    this.journal.written();
    if (this.#ended) this.#record = this.#ended;
    if (this.journal.finished) this.#options.onEnd(this);
    this.#notify();
    this.#write();
  }

  #unwritten(error: EasynetError): void {
    const { clock, logger, record } = this.#options;
    this.journal.unwritten();
    logger.warn("events of a task could not be written", { task: record.id, code: error.code });
    if (isEasynetError(error, "STORAGE_FULL") || isEasynetError(error, "OVERLOADED")) {
      if (!this.#closed) this.#retry = clock.setTimer(RETRY_MS, () => this.#write());
      return;
    }
    this.#broken = error;
    this.#stop.abort(error);
    this.#notify();
  }

  #notify(): void {
    for (const reader of this.#readers) reader();
  }
}
