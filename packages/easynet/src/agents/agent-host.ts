import {
  type Clock,
  createId,
  EasynetError,
  fromWireError,
  type Logger,
  type Metrics,
  noMetrics,
  type Random,
  silentLogger,
  systemClock,
  systemRandom,
} from "../kernel/index.ts";
import {
  type AgentEvent,
  type Budget,
  type Capability,
  type NodeLoad,
  type Priority,
  priorityRank,
} from "../model/index.ts";
import { Admission, type Lane } from "./admission-core.ts";
import { collectEnd } from "./chat.ts";
import { type EndEvent } from "./failure.ts";
import { FunctionCall } from "./function-call.ts";
import { HostedAgent } from "./hosted-agent.ts";
import { createLoadMeter, type LoadMeter } from "./load-meter.ts";
import { GuardedEvents, type Misbehaviour } from "./one-end.ts";
import { TaskMeter } from "./task-meter.ts";
import { type ExecuteRequest, TaskRun, WaitingEvents } from "./task-run.ts";
import type { Agent } from "./types.ts";

/** Tasks of a node at once. Most of them wait for something; what burns CPU belongs into workers, which are few. */
const SLOTS_DEFAULT = 256;
const QUEUE_COUNT_MAX_DEFAULT = 1024;
const AGENTS_COUNT_MAX = 1000;
/** A handler that never ends must not hold its place for ever. */
const MESSAGE_TIMEOUT_MS = 30_000;
/** Bounds of the advice when to come back, in ms. */
const RETRY_AFTER_MS_MIN = 100;
const RETRY_AFTER_MS_MAX = 30_000;
/** Weight of the newest run in the average duration. */
const DURATION_WEIGHT = 0.1;

export interface AgentHostOptions {
  /** @default systemClock */
  readonly clock?: Clock;
  /** Spreads the advice when to come back. @default systemRandom */
  readonly random?: Random;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** Tasks that run at once, >= 1; more wait. @default 256 */
  readonly slots?: number;
  /** Tasks that wait at most; at the limit newcomers get OVERLOADED. @default 1024 */
  readonly queueCountMax?: number;
  /** @default this machine's load */
  readonly loadMeter?: LoadMeter;
}

/** A message for an agent of this node. */
export interface DeliverRequest {
  /** did of the agent; with neither did nor name the first agent that handles the kind. */
  readonly agentDid?: string | undefined;
  readonly agentName?: string | undefined;
  readonly kind: string;
  readonly payload: unknown;
  /** did:key of the sender, or `local`. */
  readonly from: string;
  /** @default a new id */
  readonly id?: string | undefined;
  readonly priority?: Priority | undefined;
  /** Wall clock, Unix epoch ms. @default in 30 s */
  readonly deadlineAtMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Runs the agents of a node: admission, input and output checks, budgets, deadlines, cancellation, one end. */
export interface AgentHost {
  /** @throws {EasynetError} AGENT_EXISTS when an agent of this name or did is there. @returns takes it back */
  add(agent: Agent, identity: { readonly did: string }): AsyncDisposable;
  agents(): readonly Agent[];
  /**
   * Events of one task, ending with exactly one `final` or `error`; never throws for a failed task. Nothing happens
   * before the first pull; a consumer that leaves cancels the task. One consumer, one pull at a time.
   * Errors of its own: CAPABILITY_UNKNOWN, INPUT_INVALID, OVERLOADED, NODE_STOPPING (nothing ran);
   * OUTPUT_INVALID, BUDGET_EXCEEDED, DEADLINE_EXCEEDED, CANCELLED, NODE_STOPPING.
   */
  execute(request: ExecuteRequest): AsyncIterableIterator<AgentEvent, undefined>;
  /**
   * The capability that a task would run now; nothing is run or reserved.
   * @throws {EasynetError} CAPABILITY_UNKNOWN, OVERLOADED, NODE_STOPPING
   */
  admit(task: { readonly agentDid: string | undefined; readonly capability: string }): Capability;
  /** What the agent's handler returned. @throws {EasynetError} MESSAGE_UNKNOWN, and what ends tasks */
  deliver(request: DeliverRequest): Promise<unknown>;
  load(): NodeLoad;
  /**
   * Takes nothing new; waiting tasks end with NODE_STOPPING at once, running ones after `graceMs`.
   * Does not close the agents.
   */
  close(graceMs: number): Promise<void>;
}

export function createAgentHost(options: AgentHostOptions = {}): AgentHost {
  return new Host(options);
}

class Host implements AgentHost {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #slots: number;
  readonly #loadMeter: LoadMeter;
  readonly #admission: Admission<TaskRun>;
  readonly #byName = new Map<string, HostedAgent<TaskRun>>();
  readonly #byDid = new Map<string, HostedAgent<TaskRun>>();
  readonly #runs = new Set<TaskRun>();
  #durationMs = 0;
  #closing = false;
  #whenIdle: (() => void) | undefined;

  constructor(options: AgentHostOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#logger = options.logger ?? silentLogger;
    this.#metrics = options.metrics ?? noMetrics;
    this.#slots = options.slots ?? SLOTS_DEFAULT;
    this.#loadMeter = options.loadMeter ?? createLoadMeter({ clock: this.#clock });
    const queueCountMax = options.queueCountMax ?? QUEUE_COUNT_MAX_DEFAULT;
    this.#admission = new Admission({ slots: this.#slots, queueCountMax });
  }

  add(agent: Agent, identity: { readonly did: string }): AsyncDisposable {
    if (this.#byName.has(agent.name) || this.#byDid.has(identity.did)) {
      throw new EasynetError("AGENT_EXISTS", { agent: agent.name });
    }
    if (this.#byName.size >= AGENTS_COUNT_MAX) {
      const reason = `a node holds at most ${AGENTS_COUNT_MAX} agents`;
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The agent", reason });
    }
    const hosted = new HostedAgent<TaskRun>(agent, identity.did);
    this.#byName.set(agent.name, hosted);
    this.#byDid.set(identity.did, hosted);
    return {
      [Symbol.asyncDispose]: () => {
        if (this.#byName.get(agent.name) === hosted) this.#byName.delete(agent.name);
        if (this.#byDid.get(identity.did) === hosted) this.#byDid.delete(identity.did);
        return Promise.resolve();
      },
    };
  }

  agents(): readonly Agent[] {
    return [...this.#byName.values()].map(({ agent }) => agent);
  }

  execute(request: ExecuteRequest): AsyncIterableIterator<AgentEvent, undefined> {
    const run = new TaskRun(request, this.#clock);
    return this.#guard(run, () => this.#beginTask(run));
  }

  admit({ agentDid, capability }: Parameters<AgentHost["admit"]>[0]): Capability {
    if (this.#closing) throw new EasynetError("NODE_STOPPING", {});
    const hosted = this.#find({ agentDid }, (candidate) => candidate.offers(capability));
    const target = hosted?.find(capability);
    if (!target) throw new EasynetError("CAPABILITY_UNKNOWN", { agent: hosted?.agent.name ?? "This node", capability });
    if (this.#admission.refuses(target.lane)) throw this.#overloaded();
    return target.capability;
  }

  async deliver(request: DeliverRequest): Promise<unknown> {
    const { kind, payload, id, from, ...rest } = request;
    const receivedAtMs = this.#clock.nowMs();
    const deadlineAtMs = request.deadlineAtMs ?? receivedAtMs + MESSAGE_TIMEOUT_MS;
    const taskId = id ?? createId(receivedAtMs);
    const input = { args: [payload], kwargs: {} };
    const run = new TaskRun({ ...rest, deadlineAtMs, taskId, capability: kind, input, from }, this.#clock);
    const message = { id: taskId, kind, from, payload, receivedAtMs };
    const events = this.#guard(run, () => {
      const hosted = this.#find(run.request, (candidate) => candidate.agent.messageHandler?.(kind) !== undefined);
      const handler = hosted?.agent.messageHandler?.(kind);
      if (!hosted || !handler) {
        this.#metrics.count("easynet_agent_messages_refused_total", { reason: "unknown-kind" });
        throw new EasynetError("MESSAGE_UNKNOWN", { agent: hosted?.agent.name ?? "No agent of this node", kind });
      }
      return this.#admit(run, hosted.messageLane, () => {
        run.begin();
        const call = (): unknown => handler(message, run.context(this.#logger));
        return new FunctionCall({ capability: kind, call, checkOutput: undefined });
      });
    });
    const end = await collectEnd(events);
    if (end.type === "error") throw fromWireError(end.error);
    return end.value;
  }

  load(): NodeLoad {
    const { running, queued } = this.#admission;
    return { running, queued, slots: this.#slots, ...this.#loadMeter.read() };
  }

  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    for (const run of this.#runs) if (run.waiting && run.startedAtMs === undefined) this.#stopForClose(run);
    if (this.#runs.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(graceMs, () => {
        this.#logger.warn("tasks stopped at the end of the grace", { count: this.#runs.size, graceMs });
        for (const run of this.#runs) this.#stopForClose(run);
      });
      this.#whenIdle = () => {
        timer.cancel();
        resolve();
      };
      if (this.#runs.size === 0) this.#whenIdle();
    });
  }

  #stopForClose(run: TaskRun): void {
    run.stop.stop(new EasynetError("NODE_STOPPING", {}));
  }

  #guard(run: TaskRun, begin: () => AsyncIterable<AgentEvent>): GuardedEvents {
    const source = (): AsyncIterable<AgentEvent> => {
      if (this.#closing) throw new EasynetError("NODE_STOPPING", {});
      return begin();
    };
    return new GuardedEvents(source, {
      clock: this.#clock,
      subject: run.request.capability,
      stop: run.stop,
      onEvent: (event) => this.#onEvent(run, event),
      checkEnd: (end) => this.#checkEnd(run, end),
      onEnd: (end) => this.#ended(run, end),
      onMisbehaviour: (kind) => this.#misbehaved(run, kind),
    });
  }

  /** @throws {EasynetError} CAPABILITY_UNKNOWN, INPUT_INVALID, OVERLOADED, NODE_STOPPING */
  #beginTask(run: TaskRun): AsyncIterable<AgentEvent> {
    const { request } = run;
    const { capability: name, taskId: id, input } = request;
    const hosted = this.#find(request, (candidate) => candidate.offers(name));
    const target = hosted?.find(name);
    if (!hosted || !target) {
      throw new EasynetError("CAPABILITY_UNKNOWN", { agent: hosted?.agent.name ?? "This node", capability: name });
    }
    const bound = target.checker.bindInput(input);
    run.target = target;
    return this.#admit(run, target.lane, () => {
      run.begin();
      const refusal = this.#startMeter(run);
      if (refusal) throw refusal;
      return hosted.agent.execute({ id, capability: name, input, bound }, run.context(this.#logger));
    });
  }

  #admit(run: TaskRun, lane: Lane<TaskRun>, start: () => AsyncIterable<AgentEvent>): AsyncIterable<AgentEvent> {
    run.watch();
    if (run.stop.reason) throw run.stop.reason;
    const rank = priorityRank(run.request.priority ?? "normal");
    const verdict = this.#admission.enter({ lane, item: run, rank }, this.#clock.monotonicMs());
    if (verdict.kind === "refused") throw this.#overloaded();
    run.lane = lane;
    this.#runs.add(run);
    if (verdict.kind === "started") return start();
    run.ticket = verdict.ticket;
    const waiting = new WaitingEvents(start);
    run.waiting = waiting;
    run.stop.onStop((reason) => waiting.giveUp(reason));
    return waiting;
  }

  #find(
    request: Pick<ExecuteRequest, "agentDid" | "agentName">,
    fits: (candidate: HostedAgent<TaskRun>) => boolean,
  ): HostedAgent<TaskRun> | undefined {
    if (request.agentDid !== undefined) return this.#byDid.get(request.agentDid);
    if (request.agentName !== undefined) return this.#byName.get(request.agentName);
    for (const hosted of this.#byName.values()) if (fits(hosted)) return hosted;
    return undefined;
  }

  #startMeter(run: TaskRun): EasynetError | undefined {
    const { budget } = run.request;
    if (!run.target || !isLimited(budget)) return undefined;
    run.meter = new TaskMeter(budget, run.target.capability);
    return run.meter.start();
  }

  /** @throws {EasynetError} OUTPUT_INVALID for an item against the output schema */
  #onEvent(run: TaskRun, event: AgentEvent): void {
    if (event.type === "item") {
      run.streamed = true;
      run.target?.checker.checkOutput(event.value);
    } else if (event.type === "usage" && run.meter) {
      const error = run.meter.add(event);
      if (error) run.stop.stop(error);
    }
  }

  /** The output schema of a stream describes its items, not the value it returns. @throws {EasynetError} OUTPUT_INVALID */
  #checkEnd(run: TaskRun, end: EndEvent): void {
    const { target } = run;
    if (end.type !== "final" || !target || run.streamed || target.capability.streaming) return;
    target.checker.checkOutput(end.value);
  }

  #ended(run: TaskRun, end: EndEvent): void {
    run.release();
    this.#metrics.count("easynet_agent_tasks_total", OUTCOMES[outcomeOf(end)]);
    const { lane, ticket, startedAtMs } = run;
    if (!lane) return;
    this.#runs.delete(run);
    if (startedAtMs !== undefined) {
      const durationMs = this.#clock.monotonicMs() - startedAtMs;
      this.#durationMs += (durationMs - this.#durationMs) * DURATION_WEIGHT;
    }
    if (!ticket || !this.#admission.withdraw(ticket)) {
      for (const next of this.#admission.leave(lane)) {
        next.ticket = undefined;
        next.waiting?.admit();
      }
    }
    if (this.#runs.size === 0) this.#whenIdle?.();
  }

  #misbehaved(run: TaskRun, kind: Misbehaviour): void {
    const { capability, taskId } = run.request;
    this.#metrics.count("easynet_agent_misbehaviours_total", { kind });
    this.#logger.warn("an agent broke its contract", { kind, capability, taskId });
  }

  #overloaded(): EasynetError {
    const { queued } = this.#admission;
    const expectedMs = ((queued + 1) / this.#slots) * this.#durationMs;
    const boundedMs = Math.min(RETRY_AFTER_MS_MAX, Math.max(RETRY_AFTER_MS_MIN, expectedMs));
    // Up to half as much again, so that all who were refused do not come back together.
    const retryAfterMs = Math.round(boundedMs * (1 + this.#random.next() / 2));
    return new EasynetError("OVERLOADED", { subject: "This node", queued }, { retryAfterMs });
  }
}

const OUTCOMES = {
  completed: { outcome: "completed" },
  canceled: { outcome: "canceled" },
  failed: { outcome: "failed" },
} as const;

function outcomeOf(end: EndEvent): keyof typeof OUTCOMES {
  if (end.type === "final") return "completed";
  return end.error.code === "CANCELLED" ? "canceled" : "failed";
}

function isLimited(budget: Budget | undefined): budget is Budget {
  return (
    budget !== undefined && (budget.money !== undefined || budget.tokens !== undefined || budget.calls !== undefined)
  );
}
