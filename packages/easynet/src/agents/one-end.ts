import { type Clock, EasynetError, type Timer } from "../kernel/index.ts";
import type { AgentEvent } from "../model/index.ts";
import { type EndEvent, errorEvent, failureOf, isEnd } from "./failure.ts";
import { StopSource } from "./stop-source.ts";

/** How long a stopped agent may take to end by itself before it counts as hung, in ms. */
export const STOP_GRACE_MS = 1000;
/** Events handed on before the event loop gets a turn: an endless generator must not starve timers and sockets. */
const EVENTS_PER_TURN_MAX = 128;
/** Events looked at after the end before the source is closed; they are dropped and counted. */
const EVENTS_AFTER_END_MAX = 16;

type Step = IteratorResult<AgentEvent, undefined>;
const DONE: Step = { done: true, value: undefined };
const ignore = (): void => undefined;

export interface GuardOptions {
  readonly clock: Clock;
  /** What runs, for error messages: the name of the capability. */
  readonly subject: string;
  readonly stop: StopSource;
  /** Sees every event but the end, before the consumer; may stop the task, or throw: then the event is not passed on. */
  readonly onEvent?: ((event: AgentEvent) => void) | undefined;
  /** Called once, when the end is known, also if nobody reads any more. */
  readonly onEnd?: ((end: EndEvent) => void) | undefined;
  /** Throws when the end does not fit, e.g. a final value against the output schema: what it throws is the end then. */
  readonly checkEnd?: ((end: EndEvent) => void) | undefined;
  /** The agent broke its contract: events after its end or no events at all, or it did not end when stopped. */
  readonly onMisbehaviour?: ((kind: Misbehaviour) => void) | undefined;
}

export type Misbehaviour = "event-after-end" | "event-malformed" | "end-missing" | "hung";

/**
 * The events of any agent as the contract promises them: zero or more events, then exactly one `final` or `error`.
 * Pulls one event at a time (back-pressure). After a stop at most the one event that was on its way still passes;
 * then comes the stop's reason as the error, after STOP_GRACE_MS at the latest, even if the agent hangs.
 */
export class GuardedEvents implements AsyncIterableIterator<AgentEvent, undefined> {
  readonly #source: () => AsyncIterable<AgentEvent>;
  readonly #options: GuardOptions;
  #iterator: AsyncIterator<AgentEvent> | undefined;
  #resolve: ((step: Step) => void) | undefined;
  #pulling = false;
  #end: EndEvent | undefined;
  #delivered = false;
  #graceTimer: Timer | undefined;
  #eventsThisTurn = 0;

  constructor(source: () => AsyncIterable<AgentEvent>, options: GuardOptions) {
    this.#source = source;
    this.#options = options;
    options.stop.onStop(() => this.#stopped());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** For one consumer: a second `next` before the first has resolved is refused with INTERNAL. */
  next(): Promise<Step> {
    if (this.#end) return Promise.resolve(this.#deliverEnd());
    if (this.#resolve) {
      return Promise.reject(new EasynetError("INTERNAL", { reason: "two consumers read one stream of events" }));
    }
    return new Promise((resolve) => {
      this.#resolve = resolve;
      if (++this.#eventsThisTurn <= EVENTS_PER_TURN_MAX) {
        this.#pull();
        return;
      }
      this.#eventsThisTurn = 0;
      setImmediate(() => {
        if (!this.#end) this.#pull();
      });
    });
  }

  /** The consumer leaves: the task is stopped as cancelled. Does not wait for the agent. */
  return(): Promise<Step> {
    this.#delivered = true;
    if (!this.#end) {
      const reason = new EasynetError("CANCELLED", { subject: this.#options.subject });
      this.#options.stop.stop(reason);
      if (!this.#end) this.#abandon(errorEvent(reason));
    }
    return Promise.resolve(DONE);
  }

  #pull(): void {
    this.#pulling = true;
    try {
      this.#iterator ??= this.#source()[Symbol.asyncIterator]();
      this.#iterator.next().then(this.#onStep, this.#onThrow);
    } catch (thrown) {
      this.#onThrow(thrown);
    }
  }

  readonly #onStep = (step: IteratorResult<AgentEvent>): void => {
    this.#pulling = false;
    const { onMisbehaviour, stop, subject } = this.#options;
    if (this.#end) {
      if (step.done !== true) this.#drain(1);
      return;
    }
    if (step.done === true) {
      this.#iterator = undefined;
      if (!stop.reason) onMisbehaviour?.("end-missing");
      this.#finish(stop.reason ? errorEvent(stop.reason) : missingEnd(subject));
      return;
    }
    const event = step.value;
    if (!isEvent(event)) {
      onMisbehaviour?.("event-malformed");
      this.#abandon(brokenContract(subject, "MalformedEvent", "it yielded something that is not an agent event"));
    } else if (isEnd(event)) {
      this.#finish(stop.reason ? errorEvent(stop.reason) : this.#checked(event));
      this.#drain(0);
    } else {
      this.#passOn(event);
    }
  };

  #passOn(event: AgentEvent): void {
    const { onEvent, stop, subject } = this.#options;
    const resolve = this.#resolve;
    this.#resolve = undefined;
    try {
      onEvent?.(event);
      resolve?.({ done: false, value: event });
      if (stop.reason && !this.#end) this.#abandon(errorEvent(stop.reason));
    } catch (thrown) {
      this.#resolve = resolve;
      this.#abandon(errorEvent(failureOf(thrown, subject)));
    }
  }

  readonly #onThrow = (thrown: unknown): void => {
    this.#pulling = false;
    this.#iterator = undefined;
    if (this.#end) return;
    const { stop, subject } = this.#options;
    this.#finish(errorEvent(stop.reason ?? failureOf(thrown, subject)));
  };

  #checked(end: EndEvent): EndEvent {
    const { checkEnd, subject } = this.#options;
    try {
      checkEnd?.(end);
      return end;
    } catch (thrown) {
      return errorEvent(failureOf(thrown, subject));
    }
  }

  #stopped(): void {
    if (this.#end || this.#graceTimer) return;
    const { clock, stop, onMisbehaviour } = this.#options;
    const { reason } = stop;
    if (!reason) return;
    if (!this.#pulling) {
      this.#abandon(errorEvent(reason));
      return;
    }
    this.#graceTimer = clock.setTimer(STOP_GRACE_MS, () => {
      if (this.#end) return;
      onMisbehaviour?.("hung");
      this.#abandon(errorEvent(reason));
    });
  }

  /** Ends now, whatever the source does. */
  #abandon(end: EndEvent): void {
    this.#finish(end);
    this.#close();
  }

  #finish(end: EndEvent): void {
    this.#end = end;
    this.#graceTimer?.cancel();
    this.#options.onEnd?.(end);
    const resolve = this.#resolve;
    this.#resolve = undefined;
    resolve?.(this.#deliverEnd());
  }

  #deliverEnd(): Step {
    if (this.#delivered || !this.#end) return DONE;
    this.#delivered = true;
    return { done: false, value: this.#end };
  }

  /** Lets the source come to its own end in the background; what it still says is dropped and counted. */
  #drain(seenCount: number): void {
    const iterator = this.#iterator;
    if (seenCount > 0) this.#options.onMisbehaviour?.("event-after-end");
    if (!iterator) return;
    if (seenCount >= EVENTS_AFTER_END_MAX) {
      this.#close();
      return;
    }
    iterator.next().then((step) => {
      if (step.done !== true) this.#drain(seenCount + 1);
    }, ignore);
  }

  #close(): void {
    const iterator = this.#iterator;
    this.#iterator = undefined;
    iterator?.return?.().then(ignore, ignore);
  }
}

const EVENT_TYPES: ReadonlySet<unknown> = new Set<AgentEvent["type"]>([
  "delta",
  "thought",
  "item",
  "tool",
  "ask",
  "artifact",
  "usage",
  "final",
  "error",
]);

function isEvent(value: unknown): value is AgentEvent {
  return typeof value === "object" && value !== null && "type" in value && EVENT_TYPES.has(value.type);
}

function missingEnd(subject: string): EndEvent {
  return brokenContract(subject, "MissingEnd", "it ended without a final value or an error");
}

function brokenContract(capability: string, name: string, reason: string): EndEvent {
  return errorEvent(new EasynetError("FUNCTION_FAILED", { capability, name, reason }));
}

export interface OneEndOptions {
  readonly clock: Clock;
  /** What runs, for error messages: the name of the capability. */
  readonly subject: string;
  readonly signal?: AbortSignal | undefined;
  readonly onMisbehaviour?: ((kind: Misbehaviour) => void) | undefined;
}

/**
 * Any agent's events, guarded: zero or more events, then exactly one `final` or `error`; never throws for a failed
 * task. An abort of `signal` ends it with the signal's reason within STOP_GRACE_MS.
 */
export function oneEnd(events: AsyncIterable<AgentEvent>, options: OneEndOptions): AsyncIterable<AgentEvent> {
  const { clock, subject, signal, onMisbehaviour } = options;
  const followed = signal ? StopSource.following(signal, subject) : undefined;
  return new GuardedEvents(() => events, {
    clock,
    subject,
    stop: followed?.stop ?? new StopSource(),
    onMisbehaviour,
    onEnd: () => followed?.unfollow(),
  });
}
