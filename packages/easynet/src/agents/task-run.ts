import { type Clock, EasynetError, type Logger, type Timer } from "../kernel/index.ts";
import type { AgentEvent, Budget, ChatMessage, JsonSchema, Priority, TaskInput } from "../model/index.ts";
import type { Lane, Ticket } from "./admission-core.ts";
import type { HostedCapability } from "./hosted-agent.ts";
import { StopSource } from "./stop-source.ts";
import { exceeded, type TaskMeter } from "./task-meter.ts";
import type { TaskContext } from "./types.ts";

/** A task for an agent of this node. */
export interface ExecuteRequest {
  readonly taskId: string;
  /** did of the agent; with neither did nor name any agent of the node that offers the capability. */
  readonly agentDid?: string | undefined;
  readonly agentName?: string | undefined;
  readonly capability: string;
  readonly input: TaskInput;
  /** did:key of who asks, or `local`. */
  readonly from: string;
  /** @default "normal" */
  readonly priority?: Priority | undefined;
  /** Wall clock, Unix epoch ms; counts also while the task waits. */
  readonly deadlineAtMs?: number | undefined;
  /** @default unlimited */
  readonly budget?: Budget | undefined;
  readonly history?: readonly ChatMessage[] | undefined;
  readonly outputSchema?: JsonSchema | undefined;
  readonly signal?: AbortSignal | undefined;
}

const NO_BUDGET: Budget = {};
const NO_HISTORY: readonly ChatMessage[] = [];

/** One task or message on its way through the host: what may stop it, and what must be given back at its end. */
export class TaskRun {
  readonly request: ExecuteRequest;
  readonly stop = new StopSource();
  target: HostedCapability<TaskRun> | undefined;
  /** Set once it runs or waits. */
  lane: Lane<TaskRun> | undefined;
  /** Set while it waits. */
  ticket: Ticket<TaskRun> | undefined;
  waiting: WaitingEvents | undefined;
  meter: TaskMeter | undefined;
  /** It yielded at least one item. */
  streamed = false;
  startedAtMs: number | undefined;
  readonly #clock: Clock;
  #timers: Timer[] | undefined;
  #unfollow: (() => void) | undefined;

  constructor(request: ExecuteRequest, clock: Clock) {
    this.request = request;
    this.#clock = clock;
  }

  /** From now on the caller's signal and the deadline count. */
  watch(): void {
    const { signal, deadlineAtMs, capability } = this.request;
    if (signal) this.#unfollow = this.stop.follow(signal, capability);
    if (deadlineAtMs === undefined) return;
    const timeoutMs = Math.round(deadlineAtMs - this.#clock.nowMs());
    const late = (): void => {
      this.stop.stop(new EasynetError("DEADLINE_EXCEEDED", { subject: capability, timeoutMs: Math.max(0, timeoutMs) }));
    };
    if (timeoutMs <= 0) late();
    else this.#after(timeoutMs, late);
  }

  /** From now on the time budget counts. */
  begin(): void {
    this.startedAtMs = this.#clock.monotonicMs();
    const timeMs = this.request.budget?.timeMs;
    if (timeMs !== undefined) this.#after(timeMs, () => this.stop.stop(exceeded(timeMs, "ms")));
  }

  /** Gives timers and listeners back. */
  release(): void {
    this.#unfollow?.();
    for (const timer of this.#timers ?? []) timer.cancel();
  }

  context(logger: Logger): TaskContext {
    const { stop, request } = this;
    return {
      taskId: request.taskId,
      from: request.from,
      priority: request.priority ?? "normal",
      // An own property, so that a copy by spreading has it; a getter, so that most tasks never make a signal.
      get signal() {
        return stop.signal;
      },
      deadlineAtMs: request.deadlineAtMs,
      budget: request.budget ?? NO_BUDGET,
      conversationHistory: request.history ?? NO_HISTORY,
      outputSchema: request.outputSchema,
      logger,
      clock: this.#clock,
    };
  }

  #after(delayMs: number, callback: () => void): void {
    this.#timers ??= [];
    this.#timers.push(this.#clock.setTimer(delayMs, callback));
  }
}

type Step = IteratorResult<AgentEvent, undefined>;

/** Stands in for the events of a task that waits for a slot. */
export class WaitingEvents implements AsyncIterableIterator<AgentEvent, undefined> {
  readonly #start: () => AsyncIterable<AgentEvent>;
  readonly #admitted: Promise<AsyncIterator<AgentEvent>>;
  #resolve: (events: AsyncIterator<AgentEvent>) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(start: () => AsyncIterable<AgentEvent>) {
    this.#start = start;
    this.#admitted = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Nobody may be reading when it gives up.
    this.#admitted.catch(() => undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The task got its slot: its events come from here on. */
  admit(): void {
    try {
      this.#resolve(this.#start()[Symbol.asyncIterator]());
    } catch (thrown) {
      this.#reject(thrown);
    }
  }

  giveUp(error: EasynetError): void {
    this.#reject(error);
  }

  async next(): Promise<Step> {
    const events = await this.#admitted;
    return events.next();
  }

  async return(): Promise<Step> {
    const events = await this.#admitted;
    await events.return?.();
    return { done: true, value: undefined };
  }
}
