/**
 * Stored tasks at their caller: which provider has which task is written before the provider is asked; a broken link
 * is followed by the same question to the same provider, by the task's id and from the last event seen.
 */
import type { Did } from "../../identity/index.ts";
import {
  backoffMs,
  type Clock,
  EasynetError,
  isEasynetError,
  type Logger,
  type Random,
  toEasynetError,
} from "../../kernel/index.ts";
import type { Mesh } from "../../mesh/index.ts";
import type { AgentEvent, Durability } from "../../model/index.ts";
import type { Store } from "../../storage/index.ts";
import type { ExchangeRequest, Exchanges } from "../types.ts";
import type { AskedTask } from "./asked-core.ts";
import { afterBreak, isOnTheWay } from "./break-core.ts";
import { requestDigest, storedDurability } from "./record-codec.ts";
import { TaskBook } from "./task-book.ts";
import { readReport, type TaskReport } from "./task-report.ts";
import { attachTo } from "./task-way.ts";
import type { TaskServer } from "./types.ts";

/** Delay before a provider is asked again, full jitter. A link that comes back ends it early. */
const AGAIN = { baseMs: 200, capMs: 5000 };

export interface TaskCallerOptions {
  readonly self: Did;
  readonly epoch: number;
  readonly exchanges: Exchanges;
  /** Takes the tasks that this node gives itself. */
  readonly server: TaskServer;
  readonly store: Store;
  readonly links: Pick<Mesh, "peer" | "on">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Who is to do a task. */
export type TaskPlace = Pick<AskedTask, "nodeName" | "agent" | "agentName"> & { readonly node: Did };

export interface TaskCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Running the task twice does no harm. */
  readonly repeatable: boolean;
  /** Of the capability; absent, or more than `process`: what is known of the task is on disk before it is given away. */
  readonly durability?: Durability | undefined;
  /** Another provider could do it now. */
  readonly others: () => boolean;
}

/** What the caller hears: that the task is stored, then the agent's events. */
export type TaskEvent = { readonly type: "accepted"; readonly nodeName: string } | AgentEvent;

/** The tasks that this node gives to providers that store them. */
export interface TaskCaller {
  /** The place that has this id, or may have it. */
  placeOf(id: string): TaskPlace | undefined;
  /**
   * Gives a task to `place`, or finds it there by its id, and stays with it until its end, the envelope's deadline or
   * the signal. Events come once each and in order, over any number of links. Leaving early, or a signal with
   * CANCELLED, cancels the task; a signal with LINK_CLOSED only leaves it.
   * @throws {EasynetError} TASK_ID_REUSED, TASK_UNCERTAIN, and what the provider refuses with
   */
  call(request: ExchangeRequest, place: TaskPlace, options: TaskCallOptions): AsyncGenerator<TaskEvent, void, void>;
  /** State and outcome, asked of the provider. @throws {EasynetError} TASK_FORGOTTEN for an id that this node does not know */
  report(id: string): Promise<TaskReport>;
  list(): readonly AskedTask[];
  close(): void;
}

export function createTaskCaller(options: TaskCallerOptions): TaskCaller {
  return new StoredTaskCaller(options);
}

/** One call on its way through several exchanges. */
interface Progress {
  /** Number of the last event seen. */
  cursor: number;
  accepted: boolean;
  /** An opening that asks the provider to begin may have reached it. */
  sent: boolean;
  told: boolean;
  /** This call chose the provider. */
  readonly first: boolean;
}

class StoredTaskCaller implements TaskCaller {
  readonly #options: TaskCallerOptions;
  readonly #book: TaskBook;
  readonly #joined: Disposable;
  readonly #whenClosed = new AbortController();
  /** Calls under way by id: what one of them learns of a provider may be old news for another. */
  readonly #calls = new Map<string, number>();

  constructor(options: TaskCallerOptions) {
    this.#options = options;
    this.#book = new TaskBook(options);
    this.#joined = options.links.on("peer-joined", (peer) => this.#tellCancelled(peer.did));
  }

  placeOf(id: string): TaskPlace | undefined {
    const task = this.#book.get(id);
    return task && placeOf(task);
  }

  list(): readonly AskedTask[] {
    return this.#book.list();
  }

  report(id: string): Promise<TaskReport> {
    const task = this.#book.get(id);
    const { self } = this.#options;
    if (!task) return Promise.reject(new EasynetError("TASK_FORGOTTEN", { peer: self, taskId: id }));
    return readReport(task, this.#options);
  }

  async *call(
    request: ExchangeRequest,
    wanted: TaskPlace,
    options: TaskCallOptions,
  ): AsyncGenerator<TaskEvent, void, void> {
    using _counted = this.#count(request.envelope.id);
    const { place, progress } = await this.#bind(request, wanted, options);
    for (let attempt = 0; ; attempt++) {
      const failure = yield* this.#attempt(request, { place, progress, signal: options.signal });
      if (!failure) return;
      this.#decide(request, { failure, progress, options });
      progress.sent ||= failure.sent;
      await this.#wait(place.node, { attempt, signal: options.signal });
      if ((request.envelope.deadlineAtMs ?? Infinity) > this.#options.clock.nowMs()) continue;
      if (!progress.accepted && !progress.sent) throw failure.error;
      const details = { peer: place.nodeName, capability: request.capability, taskId: request.envelope.id };
      throw new EasynetError("TASK_UNCERTAIN", details, { cause: failure.error });
    }
  }

  close(): void {
    this.#whenClosed.abort(new EasynetError("NODE_STOPPING", {}));
    this.#joined[Symbol.dispose]();
  }

  #count(id: string): Disposable {
    this.#calls.set(id, (this.#calls.get(id) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#calls.get(id) ?? 1) - 1;
        if (left === 0) this.#calls.delete(id);
        else this.#calls.set(id, left);
      },
    };
  }

  /** Who is asked: the wanted place, unless this id went to another one and may not be done twice. */
  async #bind(request: ExchangeRequest, wanted: TaskPlace, options: TaskCallOptions): Promise<Bound> {
    const { id, createdAtMs } = request.envelope;
    const { capability } = request;
    const { repeatable } = options;
    const durability = storedDurability(options.durability);
    const digest = requestDigest(request);
    const binding = this.#book.binding(id, digest);
    if (binding.kind === "bound" && (binding.task.node === wanted.node || !repeatable || this.#calls.get(id) !== 1)) {
      const { accepted } = binding.task;
      return { place: placeOf(binding.task), progress: { cursor: 0, accepted, sent: true, told: false, first: false } };
    }
    const open = { accepted: false, cancelling: false, end: undefined };
    await this.#book.bind({ id, ...wanted, capability, digest, createdAtMs, durability, ...open });
    return { place: wanted, progress: { cursor: 0, accepted: false, sent: false, told: false, first: true } };
  }

  /** One exchange; yields its events and returns its failure, unless it ended with the task's outcome. */
  async *#attempt(
    request: ExchangeRequest,
    { place, progress, signal }: Attempt,
  ): AsyncGenerator<TaskEvent, Failure | undefined, void> {
    const { id } = request.envelope;
    const controller = new AbortController();
    using _following = followSignal(signal, controller);
    let stored = (): void => undefined;
    const accepted = new Promise<void>((resolve) => {
      stored = resolve;
    });
    let sent = false;
    let events: AsyncIterator<AgentEvent> | undefined;
    try {
      const { self, server, exchanges } = this.#options;
      const task = { start: !progress.accepted, cursor: progress.cursor };
      const onAccepted = (cursor: number): void => {
        if (cursor !== progress.cursor) throw new EasynetError("FRAME_MALFORMED", { reason: "another cursor" });
        this.#accepted(id, progress);
        stored();
      };
      const way = { self, server, exchanges, signal: controller.signal, onAccepted };
      events = attachTo(place.node, { ...request, task }, way)[Symbol.asyncIterator]();
      sent = true;
      let next = events.next();
      // Whoever waits below hears of it; nobody may be waiting when it comes.
      next.catch(() => undefined);
      await Promise.race([accepted, next]);
      if (progress.accepted && !progress.told) {
        progress.told = true;
        yield { type: "accepted", nodeName: place.nodeName };
      }
      for (let step = await next; step.done !== true; step = await next) {
        progress.cursor++;
        const event = step.value;
        if (event.type === "final" || event.type === "error") {
          const code = event.type === "error" ? event.error.code : "";
          this.#book.note(id, { end: { atMs: this.#options.clock.nowMs(), code }, cancelling: false });
          events = undefined;
          yield event;
          return undefined;
        }
        yield event;
        next = events.next();
      }
      return {
        error: new EasynetError("PROVIDER_LOST", { peer: place.nodeName, capability: request.capability }),
        sent,
      };
    } catch (thrown) {
      events = undefined;
      return { error: toEasynetError(thrown), sent };
    } finally {
      // Only a reader that left early gets here with events: it cancels.
      await events?.return?.();
    }
  }

  #accepted(id: string, progress: Progress): void {
    if (!progress.accepted) this.#book.note(id, { accepted: true });
    progress.accepted = true;
  }

  /** Returns when the same provider is to be asked again. @throws {EasynetError} the failure otherwise, or why the caller left */
  #decide(request: ExchangeRequest, { failure, progress, options }: Decision): void {
    const { error, sent } = failure;
    const { accepted, sent: sentBefore, cursor } = progress;
    const { id } = request.envelope;
    if (this.#whenClosed.signal.aborted) throw error;
    if (options.signal?.aborted) {
      const reason = toEasynetError(options.signal.reason);
      const mayRun = accepted || sentBefore || sent;
      if (reason.code === "CANCELLED" && mayRun) this.#book.note(id, { cancelling: true });
      throw reason;
    }
    const refused = error.details["accepted"] === false;
    const isAlone = this.#calls.get(id) === 1;
    // Whoever asks again by id is owed what the first one was told.
    const movable = options.repeatable && cursor === 0 && progress.first && isAlone;
    const next = afterBreak({ code: error.code, refused, accepted, sentBefore, movable, others: options.others() });
    if (next === "again") return;
    if (error.code === "TASK_FORGOTTEN") {
      this.#book.note(id, { end: { atMs: this.#options.clock.nowMs(), code: error.code } });
    } else if (isAlone && (refused || (!accepted && !sentBefore && !sent))) this.#book.release(id);
    if (!accepted) throw error;
    const lost = { peer: this.#book.get(id)?.nodeName ?? "", capability: request.capability };
    throw movable && isOnTheWay(error.code) ? new EasynetError("PROVIDER_LOST", lost, { cause: error }) : error;
  }

  /** Until the provider's link is back, or for a while; ends early with the signal. */
  async #wait(
    node: Did,
    { attempt, signal }: { readonly attempt: number; readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    const { clock, links, random } = this.#options;
    const closed = this.#whenClosed.signal;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        timer.cancel();
        joined[Symbol.dispose]();
        signal?.removeEventListener("abort", end);
        closed.removeEventListener("abort", end);
        resolve();
      };
      const timer = clock.setTimer(AGAIN.baseMs + backoffMs(attempt, AGAIN, random), end);
      const joined = links.on("peer-joined", (peer) => {
        if (peer.did === node) end();
      });
      signal?.addEventListener("abort", end);
      closed.addEventListener("abort", end);
    });
  }

  /** Cancellations that could not be told when they were made. */
  #tellCancelled(node: Did): void {
    for (const task of this.#book.list()) {
      if (task.cancelling && task.node === node) void this.#tellOne(task);
    }
  }

  async #tellOne(task: AskedTask): Promise<void> {
    const end = await readReport(task, { ...this.#options, cancel: true }).catch((error: unknown) => {
      if (!isEasynetError(error)) throw error;
      return error.code === "TASK_FORGOTTEN" ? { state: "failed" as const, error: error.toJSON() } : undefined;
    });
    if (!end || end.state === "working" || end.state === "submitted") return;
    const code = end.error?.code ?? "";
    this.#book.note(task.id, { cancelling: false, end: { atMs: this.#options.clock.nowMs(), code } });
  }
}

interface Bound {
  readonly place: TaskPlace;
  readonly progress: Progress;
}

interface Attempt {
  readonly place: TaskPlace;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
}

interface Failure {
  readonly error: EasynetError;
  /** The opening left this node. */
  readonly sent: boolean;
}

interface Decision {
  readonly failure: Failure;
  readonly progress: Progress;
  readonly options: TaskCallOptions;
}

function placeOf({ node, nodeName, agent, agentName }: AskedTask): TaskPlace {
  return { node, nodeName, agent, agentName };
}

function followSignal(signal: AbortSignal | undefined, controller: AbortController): Disposable {
  const forward = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) forward();
  else signal?.addEventListener("abort", forward, { once: true });
  return { [Symbol.dispose]: () => signal?.removeEventListener("abort", forward) };
}
