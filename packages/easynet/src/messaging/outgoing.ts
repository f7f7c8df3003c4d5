import type { Did } from "../identity/index.ts";
import { EasynetError, fromWireError, isEasynetError } from "../kernel/index.ts";
import type { MeshFrame } from "../mesh/index.ts";
import type { AgentEvent } from "../model/index.ts";
import { FRAME_TYPES, encodeValue } from "../wire/index.ts";
import { decodeAccepted, decodeEvent } from "./event-codec.ts";
import { MORE, RESTART } from "./flags.ts";
import { FRAME_COST_BYTES } from "./limits.ts";
import { sendInParts } from "./parts.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { SendWindow } from "./send-window.ts";
import type { Shared } from "./shared.ts";
import type { Expiring } from "./sweep.ts";
import type { Exchange, ExchangeRequest } from "./types.ts";

const CANCEL_REASON_LENGTH_MAX = 500;

interface Received {
  readonly event: AgentEvent;
  /** What it takes of the window until it is consumed. */
  readonly cost: number;
}

interface Waiter {
  readonly resolve: (result: IteratorResult<AgentEvent, undefined>) => void;
  readonly reject: (error: Error) => void;
}

export interface OutgoingOptions {
  readonly shared: Shared;
  readonly to: Did;
  readonly correlation: number;
  readonly request: ExchangeRequest;
  /** Time allowed from now; Infinity = no limit. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Set for a stored task; called once. */
  readonly onAccepted: ((cursor: number) => void) | undefined;
  /** Called once, when nothing more is to come. */
  readonly onEnd: (exchange: OutgoingExchange, outcome: string) => void;
}

/** The caller's side of one exchange: its own iterator, so that a small call costs two promises. */
export class OutgoingExchange implements Exchange, AsyncIterator<AgentEvent, undefined, undefined>, Expiring {
  readonly peer: Did;
  readonly correlation: number;
  dueAtMs: number;
  readonly #options: OutgoingOptions;
  readonly #events: Received[] = [];
  readonly #receive: ReceiveWindow;
  #input: SendWindow | undefined;
  #waiter: Waiter | undefined;
  #answered = false;
  #accepted = false;
  #ended = false;
  #error: Error | undefined;
  #cancelError: EasynetError | undefined;
  #onAbort: (() => void) | undefined;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.peer = options.to;
    this.correlation = options.correlation;
    this.dueAtMs = options.shared.clock.monotonicMs() + options.timeoutMs;
    this.#receive = new ReceiveWindow(options.shared.limits, options.shared.pool);
    const { signal } = options;
    if (!signal) return;
    this.#onAbort = (): void => {
      const { reason } = signal;
      if (options.request.task && isEasynetError(reason, "LINK_CLOSED")) this.abandon(reason, "left");
      else this.#cancel("the caller's signal", reason);
    };
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  get answered(): boolean {
    return this.#answered;
  }

  cancel(reason: string): void {
    this.#cancel(reason, undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<AgentEvent, undefined>> {
    const received = this.#events.shift();
    if (received) {
      this.#consumed(received.cost);
      return Promise.resolve({ value: received.event, done: false });
    }
    if (this.#ended) {
      const error = this.#error;
      this.#error = undefined;
      return error ? Promise.reject(error) : Promise.resolve({ value: undefined, done: true });
    }
    if (this.#waiter) {
      return Promise.reject(new EasynetError("INTERNAL", { reason: "an exchange has one consumer at a time" }));
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** The consumer looks no further: the provider is told to stop. */
  return(): Promise<IteratorResult<AgentEvent, undefined>> {
    if (!this.#ended) {
      this.#tell("the caller stopped reading");
      this.#end(undefined, "cancelled");
    }
    this.#events.length = 0;
    this.#error = undefined;
    return Promise.resolve({ value: undefined, done: true });
  }

  /** Sends what did not fit into the opening. @param rest the bytes after those of the opening @param sentBytes theirs */
  sendRest(rest: Uint8Array, sentBytes: number): void {
    const { shared, to } = this.#options;
    const window = new SendWindow(shared.limits.windowBytes);
    window.tryTake(sentBytes + FRAME_COST_BYTES);
    this.#input = window;
    const frame = { lane: shared.laneOf(this.#options.request), type: FRAME_TYPES["exchange-input"] };
    const route = { mesh: shared.mesh, to, frame: { ...frame, correlation: this.correlation }, window };
    sendInParts(route, rest).then(
      () => {
        this.#input = undefined;
      },
      (error: unknown) => {
        if (!this.#ended) this.fail(isEasynetError(error) ? error : this.#linkError("closed"), "link");
      },
    );
  }

  receiveCredit(bytes: number): void {
    this.#input?.give(bytes);
  }

  receiveEvent(frame: MeshFrame): void {
    this.#answered = true;
    const more = (frame.flags & MORE) !== 0;
    if (frame.flags & RESTART) this.#receive.restart();
    try {
      const whole = this.#receive.receive(frame.body, more);
      if (this.#receive.unfinishedBytes > this.#options.shared.limits.eventBytesMax) throw this.#tooLarge();
      if (!whole) this.#returnCredit();
      else if (!this.#takeAccepted(whole)) {
        const event = decodeEvent(whole);
        if (event.type === "error" && this.#endsOnlyExchange(frame)) {
          this.fail(fromWireError(event.error, { peer: this.peer }), "error");
        } else this.#accept(event, this.#receive.finishedCost);
      }
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** The link to the provider is gone. */
  lose(reason: string): void {
    if (this.#input) this.fail(this.#linkError(reason), "link");
    else this.fail(new EasynetError("PROVIDER_LOST", { peer: this.peer, capability: this.#capability }), "lost");
  }

  /** Ends with `error`, after the events that arrived before. */
  fail(error: Error, outcome: string): void {
    this.#end(error, outcome);
  }

  /** As {@link fail}, and tells the provider to stop; of a stored task only this exchange stops. */
  abandon(error: EasynetError, outcome: string): void {
    if (this.#ended) return;
    this.#tell(this.#options.request.task ? null : error.code);
    this.#end(error, outcome);
  }

  expire(): void {
    if (this.#cancelError) {
      this.#end(this.#cancelError, "cancelled");
      return;
    }
    const { timeoutMs } = this.#options;
    this.abandon(new EasynetError("DEADLINE_EXCEEDED", { subject: this.#capability, timeoutMs }), "deadline");
  }

  get #capability(): string {
    return this.#options.request.capability;
  }

  /** True when it was the provider's word that it stores the task, which comes first and once. */
  #takeAccepted(bytes: Uint8Array): boolean {
    const { onAccepted } = this.#options;
    if (!onAccepted || this.#accepted) return false;
    const cursor = decodeAccepted(bytes);
    if (cursor === undefined) return false;
    this.#accepted = true;
    this.#receive.consume(this.#receive.finishedCost);
    onAccepted(cursor);
    return true;
  }

  /** A stored task's outcome is sent like every event; what its provider sends instead of one has RESTART. */
  #endsOnlyExchange(frame: MeshFrame): boolean {
    return this.#options.request.task !== undefined && (!this.#accepted || (frame.flags & RESTART) !== 0);
  }

  #accept(event: AgentEvent, cost: number): void {
    const last = event.type === "final" || event.type === "error";
    const waiter = this.#waiter;
    if (waiter) {
      this.#waiter = undefined;
      this.#consumed(cost);
      waiter.resolve({ value: event, done: false });
    } else {
      this.#events.push({ event, cost });
    }
    if (last) this.#end(undefined, event.type);
  }

  #consumed(cost: number): void {
    if (this.#ended) return;
    this.#receive.consume(cost);
    this.#returnCredit();
  }

  #returnCredit(): void {
    const bytes = this.#receive.takeCredit();
    if (bytes === 0) return;
    const { shared, to } = this.#options;
    shared.sendQuietly(to, {
      lane: "control",
      type: FRAME_TYPES["exchange-credit"],
      correlation: this.correlation,
      body: encodeValue(bytes),
    });
  }

  #refuse(error: unknown): void {
    if (isEasynetError(error, "RESULT_TOO_LARGE") || isEasynetError(error, "OVERLOADED")) {
      this.abandon(error, "limit");
      return;
    }
    const reason = error instanceof Error ? error.message : String(error);
    const details = { peer: this.peer, capability: this.#capability, reason };
    this.abandon(new EasynetError("PROVIDER_MISBEHAVED", details, { cause: error }), "misbehaved");
  }

  #tooLarge(): EasynetError {
    const { eventBytesMax } = this.#options.shared.limits;
    return new EasynetError("RESULT_TOO_LARGE", { capability: this.#capability, bytesMax: eventBytesMax });
  }

  #linkError(reason: string): EasynetError {
    return new EasynetError("LINK_CLOSED", { peer: this.peer, reason });
  }

  #cancel(reason: string, cause: unknown): void {
    if (this.#ended || this.#cancelError) return;
    const { shared } = this.#options;
    this.#cancelError = isEasynetError(cause) ? cause : new EasynetError("CANCELLED", { subject: this.#capability });
    this.#tell(reason);
    this.dueAtMs = Math.min(this.dueAtMs, shared.clock.monotonicMs() + shared.limits.graceMs);
    shared.sweep.watch(this);
  }

  /** @param reason nil = nobody reads any more, but the task goes on */
  #tell(reason: string | null): void {
    const { shared, to, request } = this.#options;
    const type = FRAME_TYPES["exchange-cancel"];
    const body = encodeValue(reason && reason.slice(0, CANCEL_REASON_LENGTH_MAX));
    const frame = { lane: shared.laneOf(request), type, correlation: this.correlation, body };
    // On its own lane a cancellation cannot overtake its opening; late on another one it is still better than never.
    if (!shared.sendQuietly(to, frame)) shared.sendQuietly(to, { ...frame, lane: "control" });
  }

  #end(error: Error | undefined, outcome: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#receive.close();
    this.#input?.close(error ?? this.#linkError("the exchange ended"));
    this.#input = undefined;
    const { signal, shared, onEnd } = this.#options;
    if (this.#onAbort) signal?.removeEventListener("abort", this.#onAbort);
    if (this.dueAtMs !== Infinity) shared.sweep.unwatch(this);
    onEnd(this, outcome);
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (!waiter) this.#error = error;
    else if (error) waiter.reject(error);
    else waiter.resolve({ value: undefined, done: true });
  }
}
