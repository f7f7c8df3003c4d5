import type { Did } from "../identity/index.ts";
import { EasynetError, isEasynetError, toEasynetError } from "../kernel/index.ts";
import type { MeshFrame } from "../mesh/index.ts";
import type { AgentEvent } from "../model/index.ts";
import { decodeValue, encodeValue, FRAME_TYPES, type Lane } from "../wire/index.ts";
import { encodeErrorEvent } from "./error-event.ts";
import { encodeAccepted, encodeEvent } from "./event-codec.ts";
import { FOR_INPUT, MORE, RESTART } from "./flags.ts";
import { FRAME_COST_BYTES, WHOLE_BYTES_MAX } from "./limits.ts";
import { type Route, sendInParts } from "./parts.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { type Opening, requestFrom } from "./request-codec.ts";
import { SendWindow } from "./send-window.ts";
import type { Shared } from "./shared.ts";
import type { Expiring } from "./sweep.ts";
import type { ExchangeRequest, IncomingExchange } from "./types.ts";

export interface IncomingOptions {
  readonly shared: Shared;
  readonly from: Did;
  readonly correlation: number;
  readonly lane: Lane;
  readonly opening: Opening;
  /** Called once, when the whole input is here. */
  readonly onReady: (exchange: ServedExchange) => void;
  /** Called once, when nothing more is sent or heard. */
  readonly onEnd: (exchange: ServedExchange, outcome: string) => void;
}

const SENT = Promise.resolve();

/** The provider's side of one exchange. */
export class ServedExchange implements IncomingExchange, Expiring {
  readonly from: Did;
  readonly correlation: number;
  dueAtMs: number;
  readonly #options: IncomingOptions;
  readonly #input: ReceiveWindow;
  readonly #output: SendWindow;
  readonly #timeoutMs: number;
  readonly #deadlineAtMs: number;
  #idleAtMs = Infinity;
  #graceAtMs = Infinity;
  #request: ExchangeRequest | undefined;
  #controller: AbortController | undefined;
  #stopReason: EasynetError | undefined;
  /** The last event is queued: no other is taken. */
  #ending = false;
  #closed = false;
  /** Events that wait for room, and their bytes. */
  #queuedCount = 0;
  #queuedBytes = 0;
  #tail: Promise<void> = SENT;

  constructor(options: IncomingOptions) {
    const { shared, opening } = options;
    this.#options = options;
    this.from = options.from;
    this.correlation = options.correlation;
    this.#input = new ReceiveWindow(shared.limits, shared.pool);
    this.#output = new SendWindow(shared.limits.windowBytes);
    const { deadlineAtMs = Infinity } = opening.envelope;
    this.#timeoutMs = opening.remainingMs ?? deadlineAtMs - shared.clock.nowMs();
    this.#deadlineAtMs = shared.clock.monotonicMs() + this.#timeoutMs;
    this.dueAtMs = this.#deadlineAtMs;
  }

  get request(): ExchangeRequest {
    if (!this.#request)
      throw new EasynetError("INTERNAL", { reason: "an exchange was served before its input was here" });
    return this.#request;
  }

  get capability(): string {
    return this.#options.opening.capability;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Made on first use: most functions never look at it. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#stopReason) this.#controller.abort(this.#stopReason);
    }
    return this.#controller.signal;
  }

  /** Takes the input that the opening carries. */
  start(): void {
    if (this.#timeoutMs <= 0) {
      this.fail(this.#deadlineError(), "deadline");
      return;
    }
    const { payload } = this.#options.opening;
    this.#options.shared.sweep.watch(this);
    if (payload instanceof Uint8Array) this.#take(payload, true);
    else this.#ready(payload);
  }

  receiveInput(frame: MeshFrame): void {
    if (this.#request) this.fail(new EasynetError("FRAME_MALFORMED", { reason: "input after its end" }), "misbehaved");
    else this.#take(frame.body, (frame.flags & MORE) !== 0);
  }

  receiveCredit(bytes: number): void {
    this.#output.give(bytes);
    if (this.#queuedCount > 0) this.#setIdle(this.#now() + this.#options.shared.limits.idleMs);
  }

  accept(cursor: number): void {
    if (this.#closed || this.#ending) return;
    const bytes = encodeAccepted(cursor);
    // A rejection has ended the exchange already, and the handler sees that by its signal.
    if (this.#queuedCount > 0 || !this.#output.tryTake(bytes.length + FRAME_COST_BYTES))
      void this.#enqueue(bytes, false);
    else void this.#sendWhole(bytes, false);
  }

  send(event: AgentEvent): Promise<void> {
    if (this.#closed || this.#ending) {
      this.#options.shared.metrics.count("easynet_exchange_events_dropped_total");
      return SENT;
    }
    let bytes: Uint8Array;
    try {
      bytes = this.#encode(event);
    } catch (error) {
      const failure = toEasynetError(error);
      this.fail(failure, "failed");
      return rejected(failure);
    }
    const last = event.type === "final" || event.type === "error";
    const cost = bytes.length + FRAME_COST_BYTES;
    const alone = this.#queuedCount === 0 && bytes.length <= WHOLE_BYTES_MAX;
    if (!alone || !this.#output.tryTake(cost)) return this.#enqueue(bytes, last);
    return this.#sendWhole(bytes, last);
  }

  /** Asks the handler to stop; what it sends within the grace time still travels. */
  stop(reason: EasynetError): void {
    if (this.#closed || this.#stopReason) return;
    this.#abort(reason);
    if (!this.#request) {
      this.fail(reason, "stopped");
      return;
    }
    this.#graceAtMs = this.#now() + this.#options.shared.limits.graceMs;
    this.#watchNext();
  }

  /** The handler returned: one that never said how it ended is at fault, and its caller must not wait. */
  endIfSilent(): void {
    if (this.#closed || this.#ending) return;
    this.fail(
      this.#stopReason ?? new EasynetError("INTERNAL", { reason: "the handler ended without a result" }),
      "failed",
    );
  }

  /** Ends at once with an `error` event. */
  fail(error: EasynetError, outcome: string): void {
    if (this.#closed) return;
    const { shared, lane } = this.#options;
    const frame = { ...this.#frame(), flags: RESTART, body: encodeErrorEvent(error) };
    this.#close(error, outcome);
    if (!shared.sendQuietly(this.from, frame)) void this.#sendLater(frame, lane);
  }

  /** The caller's link is gone. */
  lose(reason: string): void {
    this.#close(new EasynetError("LINK_CLOSED", { peer: this.from, reason }), "lost");
  }

  expire(nowMs: number): void {
    if (this.#graceAtMs <= nowMs) {
      this.fail(this.#stopReason ?? this.#deadlineError(), "stopped");
    } else if (this.#deadlineAtMs <= nowMs) {
      this.stop(this.#deadlineError());
    } else if (this.#idleAtMs <= nowMs && !this.#request) {
      const { idleMs: timeoutMs } = this.#options.shared.limits;
      this.fail(
        new EasynetError("DEADLINE_EXCEEDED", { subject: `The input of ${this.capability}`, timeoutMs }),
        "idle",
      );
    } else if (this.#idleAtMs <= nowMs) {
      const { lane } = this.#options;
      const details = { peer: this.from, bytes: this.#queuedBytes, lane };
      this.fail(new EasynetError("BACKPRESSURE", details), "idle");
    }
  }

  #take(bytes: Uint8Array, more: boolean): void {
    const { shared } = this.#options;
    let payload: unknown;
    try {
      const whole = this.#input.receive(bytes, more);
      if (this.#input.unfinishedBytes > shared.limits.inputBytesMax) throw this.#inputTooLarge();
      if (!whole) {
        this.#returnCredit();
        this.#setIdle(this.#now() + shared.limits.idleMs);
        return;
      }
      payload = decodeValue(whole);
    } catch (error) {
      this.fail(toEasynetError(error), "misbehaved");
      return;
    }
    this.#input.close();
    this.#setIdle(Infinity);
    this.#ready(payload);
  }

  #ready(payload: unknown): void {
    const { shared, opening, onReady } = this.#options;
    try {
      this.#request = requestFrom(opening, payload, shared.clock.nowMs());
    } catch (error) {
      this.fail(toEasynetError(error), "misbehaved");
      return;
    }
    onReady(this);
  }

  #encode(event: AgentEvent): Uint8Array {
    const { eventBytesMax } = this.#options.shared.limits;
    let bytes: Uint8Array;
    try {
      bytes = encodeEvent(event);
    } catch (error) {
      const reason = toEasynetError(error).message;
      throw new EasynetError("OUTPUT_INVALID", { capability: this.capability, reason }, { cause: error });
    }
    if (bytes.length > eventBytesMax || this.#queuedBytes + bytes.length > 2 * eventBytesMax) {
      throw new EasynetError("RESULT_TOO_LARGE", { capability: this.capability, bytesMax: eventBytesMax });
    }
    return bytes;
  }

  #sendWhole(bytes: Uint8Array, last: boolean): Promise<void> {
    const { shared, lane } = this.#options;
    let roomLeft: boolean;
    try {
      roomLeft = shared.mesh.send(this.from, { ...this.#frame(), body: bytes });
    } catch (error) {
      if (!isEasynetError(error, "BACKPRESSURE")) return rejected(toEasynetError(error));
      this.#output.give(bytes.length + FRAME_COST_BYTES);
      return this.#enqueue(bytes, last);
    }
    if (last) this.#close(undefined, "answered");
    return roomLeft || last ? SENT : handled(shared.mesh.drained(this.from, lane));
  }

  #enqueue(bytes: Uint8Array, last: boolean): Promise<void> {
    this.#ending = last;
    this.#queuedCount++;
    this.#queuedBytes += bytes.length;
    if (this.#queuedCount === 1) this.#setIdle(this.#now() + this.#options.shared.limits.idleMs);
    const turn = handled(this.#sendQueued(this.#tail, bytes, last));
    this.#tail = turn;
    return turn;
  }

  async #sendQueued(before: Promise<void>, bytes: Uint8Array, last: boolean): Promise<void> {
    await before;
    const { mesh } = this.#options.shared;
    const route: Route = { mesh, to: this.from, frame: this.#frame(), window: this.#output };
    await sendInParts(route, bytes);
    this.#queuedCount--;
    this.#queuedBytes -= bytes.length;
    if (last) this.#close(undefined, "answered");
    else if (this.#queuedCount === 0) this.#setIdle(Infinity);
  }

  async #sendLater(frame: Parameters<Shared["sendQuietly"]>[1], lane: Lane): Promise<void> {
    const { shared } = this.#options;
    try {
      await shared.mesh.drained(this.from, lane);
    } catch {
      return;
    }
    shared.sendQuietly(this.from, frame);
  }

  #frame(): { readonly lane: Lane; readonly type: number; readonly correlation: number } {
    return { lane: this.#options.lane, type: FRAME_TYPES["exchange-event"], correlation: this.correlation };
  }

  #returnCredit(): void {
    const bytes = this.#input.takeCredit();
    if (bytes === 0) return;
    this.#options.shared.sendQuietly(this.from, {
      lane: "control",
      type: FRAME_TYPES["exchange-credit"],
      correlation: this.correlation,
      flags: FOR_INPUT,
      body: encodeValue(bytes),
    });
  }

  #abort(reason: EasynetError): void {
    this.#stopReason ??= reason;
    this.#controller?.abort(this.#stopReason);
  }

  #close(error: EasynetError | undefined, outcome: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#input.close();
    const { shared, onEnd } = this.#options;
    if (this.dueAtMs !== Infinity) shared.sweep.unwatch(this);
    if (error) {
      this.#output.close(error);
      this.#abort(error);
    }
    onEnd(this, outcome);
  }

  #setIdle(atMs: number): void {
    if (this.#idleAtMs === atMs || this.#closed) return;
    this.#idleAtMs = atMs;
    this.#watchNext();
  }

  #watchNext(): void {
    const deadlineAtMs = this.#stopReason ? Infinity : this.#deadlineAtMs;
    this.dueAtMs = Math.min(deadlineAtMs, this.#idleAtMs, this.#graceAtMs);
    if (this.dueAtMs === Infinity) this.#options.shared.sweep.unwatch(this);
    else this.#options.shared.sweep.watch(this);
  }

  #now(): number {
    return this.#options.shared.clock.monotonicMs();
  }

  #deadlineError(): EasynetError {
    const timeoutMs = Math.max(0, Math.round(this.#timeoutMs));
    return new EasynetError("DEADLINE_EXCEEDED", { subject: this.capability, timeoutMs });
  }

  #inputTooLarge(): EasynetError {
    const { inputBytesMax } = this.#options.shared.limits;
    return new EasynetError("INPUT_TOO_LARGE", { capability: this.capability, bytesMax: inputBytesMax });
  }
}

/** The promise itself; a handler that does not wait for it must not end the process when it rejects. */
function handled(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined);
  return promise;
}

function rejected(reason: Error): Promise<void> {
  return handled(Promise.reject(reason));
}
