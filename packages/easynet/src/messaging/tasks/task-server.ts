/**
 * Stored tasks at their provider. A task is accepted when its request is stored, as safely as its capability says; its
 * events are numbered, written, and only then shown; whoever knows its id and is its caller may read them again from any number. After a crash a
 * task runs again only if it may, else it ends with TASK_INTERRUPTED. docs/protocol/exchanges.md has the rules.
 */
import type { Did } from "../../identity/index.ts";
import {
  type Clock,
  EasynetError,
  isEasynetError,
  type Logger,
  type Metrics,
  repeat,
  type Timer,
  toEasynetError,
} from "../../kernel/index.ts";
import type { AgentEvent } from "../../model/index.ts";
import type { Store, Write } from "../../storage/index.ts";
import { decodeEvent } from "../event-codec.ts";
import type { ExchangeRequest } from "../types.ts";
import { defaultTaskLimits, type TaskLimits } from "./limits.ts";
import {
  decodeSegment,
  encodeRecord,
  encodeStoredRequest,
  EVENTS_SPACE,
  requestDigest,
  REQUESTS_SPACE,
  segmentKey,
  storedDurability,
  taskKey,
  type TaskRecord,
  TASKS_SPACE,
} from "./record-codec.ts";
import { forgottenAtMs, rowsToForget } from "./forgetting.ts";
import { type Leftover, readLeftovers } from "./leftovers.ts";
import { StoredTask } from "./stored-task.ts";
import { afterRestart, type Finished, idTimeMs, judge, toForget } from "./table-core.ts";
import type { Admission, AttachOptions, ServedTask, TaskRunner, TaskServer } from "./types.ts";

/** Outcomes that grew old are looked for this often, and before each new task. */
const FORGET_INTERVAL_MS = 600_000;
/** How often an unfinished task of an earlier process looks whether its capability is offered again. */
const RESUME_INTERVAL_MS = 1000;

export interface TaskServerOptions {
  readonly self: Did;
  readonly store: Store;
  readonly runner: TaskRunner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits?: Partial<TaskLimits>;
}

export function createTaskServer(options: TaskServerOptions): TaskServer {
  return new StoringServer(options);
}

class StoringServer implements TaskServer {
  readonly #options: TaskServerOptions;
  readonly #limits: TaskLimits;
  readonly #tasks = new Map<string, StoredTask>();
  readonly #unfinished = new Set<StoredTask>();
  /** First ended first. */
  readonly #finished = new Map<string, Finished>();
  readonly #timers: Timer[] = [];
  #waiting: Leftover[] = [];
  /** Of the events of finished tasks. */
  #bytes = 0;
  #closed = false;

  constructor(options: TaskServerOptions) {
    this.#options = options;
    this.#limits = { ...defaultTaskLimits, ...options.limits };
  }

  start(): void {
    const { store, clock } = this.#options;
    const { finished, unfinished } = readLeftovers(store);
    for (const leftover of finished) this.#onEnd(this.#add(leftover));
    for (const leftover of unfinished) {
      this.#add(leftover);
      const { repeatable } = leftover.record;
      const again = afterRestart({ repeatable, shown: leftover.shown }) === "again";
      if (again && leftover.request) this.#waiting.push(leftover);
      else this.#interrupt(leftover, "its node stopped while it ran");
    }
    const untilMs = clock.monotonicMs() + this.#limits.resumeWaitMs;
    if (this.#waiting.length > 0) {
      this.#timers.push(repeat(clock, RESUME_INTERVAL_MS, () => this.#resume(clock.monotonicMs() >= untilMs)));
    }
    this.#timers.push(repeat(clock, FORGET_INTERVAL_MS, () => this.#forget()));
    this.#forget();
  }

  async *attach(
    from: Did,
    request: ExchangeRequest,
    { onAccepted, signal }: AttachOptions,
  ): AsyncGenerator<AgentEvent, void, void> {
    const { cursor = 0 } = request.task ?? {};
    const task = await this.#open(from, request);
    if (leaves(signal)) return;
    onAccepted(cursor);
    const onAbort = (): void => {
      const reason: unknown = signal.reason;
      if (isEasynetError(reason, "CANCELLED")) task.cancel(reason);
    };
    signal.addEventListener("abort", onAbort);
    onAbort();
    try {
      yield* this.#follow(task, cursor, signal);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  cancel(from: Did, id: string): void {
    const task = this.#tasks.get(taskKey(from, id));
    task?.cancel(new EasynetError("CANCELLED", { subject: task.record.capability }));
  }

  find(from: Did, id: string): ServedTask {
    const task = this.#tasks.get(taskKey(from, id));
    if (!task) throw refusal(new EasynetError("TASK_FORGOTTEN", { peer: this.#options.self, taskId: id }));
    return servedTask(task.record);
  }

  list(): readonly ServedTask[] {
    return Array.from(this.#tasks.values(), ({ record }) => servedTask(record));
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    for (const task of this.#unfinished) task.close();
  }

  async #open(from: Did, request: ExchangeRequest): Promise<StoredTask> {
    const { id } = request.envelope;
    const { capability, task = { start: true, cursor: 0 } } = request;
    const known = this.#tasks.get(taskKey(from, id));
    const digest = requestDigest(request);
    const had = known && {
      digest: known.record.digest,
      cursorMax: known.journal.stored - (known.journal.finished ? 1 : 0),
    };
    const asked = { task, digest, idAtMs: idTimeMs(id) };
    const verdict = judge(asked, had, known ? -1 : forgottenAtMs(this.#options.store, from));
    switch (verdict.kind) {
      case "start":
        return this.#begin(from, request, digest);
      case "attach":
        break;
      case "reused":
        throw refusal(new EasynetError("TASK_ID_REUSED", { taskId: id, capability }));
      case "forgotten":
        throw refusal(new EasynetError("TASK_FORGOTTEN", { peer: this.#options.self, taskId: id }));
      case "ahead": {
        const reason = `no event follows number ${task.cursor}`;
        throw new EasynetError("INVALID_ARGUMENT", { subject: `The cursor of the task ${id}`, reason });
      }
    }
    if (!known) throw new EasynetError("INTERNAL", { reason: "a task to attach to is not there" });
    await known.accepted;
    return known;
  }

  async #begin(from: Did, request: ExchangeRequest, digest: string): Promise<StoredTask> {
    const { store, metrics } = this.#options;
    try {
      const { repeatable, ...admitted } = this.#admit(from, request);
      const durability = storedDurability(admitted.durability);
      const bytes = encodeStoredRequest(request);
      const { capability, agent = "", envelope } = request;
      const bytesMax = this.#limits.requestBytesMax;
      if (bytes.length > bytesMax) throw new EasynetError("INPUT_TOO_LARGE", { capability, bytesMax });
      const acceptedAtMs = this.#options.clock.nowMs();
      const { id } = envelope;
      const kept = { repeatable, durability, acceptedAtMs, end: undefined };
      const record = { id, caller: from, capability, agent, digest, ...kept };
      const key = taskKey(from, id);
      const rows: readonly Write[] = [
        { kind: "put", space: TASKS_SPACE, key, value: encodeRecord(record) },
        { kind: "put", space: REQUESTS_SPACE, key, value: bytes },
      ];
      const accepted = store.commit(rows, { durability }).catch((error: unknown) => {
        this.#tasks.delete(key);
        this.#unfinished.delete(task);
        throw refusal(toEasynetError(error));
      });
      // Taken into the table before the disk answers: the same id sent twice at once is one task.
      const task: StoredTask = this.#add({ record, accepted, requestBytes: bytes.length });
      await accepted;
      metrics.count("easynet_tasks_accepted_total");
      this.#run(task, request);
      return task;
    } catch (thrown) {
      metrics.count("easynet_tasks_refused_total", { code: toEasynetError(thrown).code });
      throw refusal(toEasynetError(thrown));
    }
  }

  #admit(from: Did, request: ExchangeRequest): Admission {
    const { unfinishedMax, unfinishedPerCallerMax } = this.#limits;
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    this.#forget();
    const unfinished = this.#unfinished.size;
    if (unfinished >= unfinishedMax || this.#keptBytes() >= this.#limits.keptBytesMax) {
      throw new EasynetError("OVERLOADED", { subject: "This node", queued: unfinished });
    }
    if (unfinished >= unfinishedPerCallerMax) {
      let own = 0;
      for (const { record } of this.#unfinished) if (record.caller === from) own++;
      if (own >= unfinishedPerCallerMax) throw new EasynetError("OVERLOADED", { subject: "This node", queued: own });
    }
    return this.#options.runner.admit(request);
  }

  /** Requests and events on disk, about. */
  #keptBytes(): number {
    let bytes = this.#bytes;
    for (const task of this.#unfinished) bytes += task.requestBytes + task.journal.bytes;
    return bytes;
  }

  #add({ record, accepted = Promise.resolve(), journal, requestBytes = 0 }: Added): StoredTask {
    const { store, clock, logger } = this.#options;
    const onEnd = (task: StoredTask): void => this.#onEnd(task);
    const common = { store, clock, logger, limits: this.#limits, record, accepted, requestBytes, onEnd };
    const task = new StoredTask({ ...common, ...(journal && { journal }) });
    this.#tasks.set(task.key, task);
    this.#unfinished.add(task);
    return task;
  }

  #run(task: StoredTask, request: ExchangeRequest): void {
    const by = { from: task.record.caller, signal: task.signal };
    void task.run(() => this.#options.runner.run(request, by));
  }

  #onEnd(task: StoredTask): void {
    const { end } = task.record;
    if (!end) return;
    this.#unfinished.delete(task);
    this.#bytes += end.bytes;
    this.#finished.set(task.key, { key: task.key, endedAtMs: end.atMs, bytes: end.bytes });
    this.#options.metrics.count("easynet_tasks_ended_total", { outcome: stateOf(task.record) });
  }

  /** Events after `cursor` as they are written. */
  async *#follow(task: StoredTask, cursor: number, signal: AbortSignal): AsyncGenerator<AgentEvent, void, void> {
    const { journal, key } = task;
    let next = cursor + 1;
    for (;;) {
      while (next <= journal.stored) {
        const segment = this.#read(key, next);
        for (const bytes of segment.events.slice(next - segment.first)) {
          if (leaves(signal)) return;
          next++;
          yield decodeEvent(bytes);
        }
      }
      if (journal.finished || leaves(signal)) return;
      if (task.broken) throw task.broken;
      if (task.closed) throw new EasynetError("NODE_STOPPING", {});
      await task.changed(signal);
    }
  }

  /** @throws {EasynetError} STORAGE_FAILED */
  #read(key: string, number: number): ReturnType<typeof decodeSegment> {
    const page = { prefix: `${key}/`, after: segmentKey(key, number - 1), limit: 1 };
    const [row] = this.#options.store.list(EVENTS_SPACE, page);
    if (!row) throw new EasynetError("STORAGE_FAILED", { path: EVENTS_SPACE, reason: "an event is missing" });
    return decodeSegment(row.value);
  }

  #resume(late: boolean): void {
    const { logger } = this.#options;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const leftover of waiting) {
      const task = this.#tasks.get(leftover.key);
      if (!task || !leftover.request) continue;
      try {
        const request = this.#readmit(leftover.request);
        logger.info("task of an earlier process runs again", { task: task.record.id });
        this.#run(task, request);
      } catch (error) {
        if (late) this.#interrupt(leftover, `its node started again without it: ${toEasynetError(error).message}`);
        else this.#waiting.push(leftover);
      }
    }
  }

  /** For its agent; an agent without a name of its own has another key after a restart, and then for any that offers it. */
  #readmit(request: ExchangeRequest): ExchangeRequest {
    const { runner } = this.#options;
    const { agent: _gone, ...forAny } = request;
    try {
      runner.admit(request);
      return request;
    } catch (error) {
      if (!isEasynetError(error, "CAPABILITY_UNKNOWN") || !runner.admit(forAny).repeatable) throw error;
      return forAny;
    }
  }

  #interrupt({ key, record: { id, capability } }: Leftover, reason: string): void {
    this.#tasks.get(key)?.fail(new EasynetError("TASK_INTERRUPTED", { taskId: id, capability, reason }));
  }

  #forget(): void {
    const { store, clock, logger } = this.#options;
    const kept = { count: this.#tasks.size, bytes: this.#keptBytes() };
    const keys = toForget(this.#finished.values(), kept, { ...this.#limits, nowMs: clock.nowMs() });
    const writes: Write[] = [];
    for (const key of keys) {
      const task = this.#tasks.get(key);
      if (task) writes.push(...rowsToForget(store, task, writes));
      this.#bytes -= this.#finished.get(key)?.bytes ?? 0;
      this.#tasks.delete(key);
      this.#finished.delete(key);
    }
    if (writes.length === 0) return;
    store.commit(writes).catch((error: unknown) => {
      // They are still on disk, and are forgotten after the next start.
      logger.warn("outcomes could not be forgotten", { code: toEasynetError(error).code });
    });
  }
}

interface Added {
  readonly record: TaskRecord;
  readonly accepted?: Promise<void>;
  readonly journal?: Leftover["journal"];
  readonly requestBytes?: number;
}

/** The reader goes and the task goes on. A passed deadline or a cancellation still shows how the task ends. */
function leaves(signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  const reason: unknown = signal.reason;
  return !isEasynetError(reason, "CANCELLED") && !isEasynetError(reason, "DEADLINE_EXCEEDED");
}

/** As `error`, with this node's word that it does not have the task. */
function refusal(error: EasynetError): EasynetError {
  const { code, details, retryAfterMs } = error;
  const options = { cause: error, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  return new EasynetError(code, { ...details, accepted: false }, options);
}

function stateOf({ end }: TaskRecord): ServedTask["state"] {
  if (!end) return "working";
  if (end.code === "") return "completed";
  return end.code === "CANCELLED" ? "canceled" : "failed";
}

function servedTask(record: TaskRecord): ServedTask {
  const { id, caller, capability, acceptedAtMs, end } = record;
  return { id, caller, capability, state: stateOf(record), acceptedAtMs, endedAtMs: end?.atMs };
}
