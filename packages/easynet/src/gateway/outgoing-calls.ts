import { EasynetError, isEasynetError, toEasynetError } from "../kernel/index.ts";
import { type EasynetNode, LOCAL_LIMITS, type NodeMessage, type ProcessMessage, takesCredit } from "../node/index.ts";
import type { CallRequest, RoutedEvent } from "../routing/index.ts";

type CallMessage = Extract<ProcessMessage, { type: "call" }>;

interface OpenCall {
  readonly controller: AbortController;
  creditCount: number;
  /** Wakes the call that waits for credit. */
  wake: (() => void) | undefined;
}

export interface OutgoingCallsOptions {
  readonly node: EasynetNode;
  /** What the process is called in errors. */
  readonly peer: () => string;
  readonly send: (message: NodeMessage) => void;
  readonly congested: () => boolean;
  readonly bufferedBytes: () => number;
}

/** The calls that one attached process makes. No timer per call: deadlines are the router's. */
export class OutgoingCalls {
  readonly #options: OutgoingCallsOptions;
  readonly #open = new Map<number, OpenCall>();

  constructor(options: OutgoingCallsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Starts a call; its events are sent as they come. @throws {EasynetError} INVALID_ARGUMENT for a number in use */
  start(message: CallMessage): void {
    if (this.#open.has(message.call)) {
      throw new EasynetError("INVALID_ARGUMENT", {
        subject: "The call message",
        reason: `the number ${message.call} belongs to a call that is still open`,
      });
    }
    if (this.#options.congested()) {
      this.#sendError(message.call, this.#backpressure());
      return;
    }
    if (this.#open.size >= LOCAL_LIMITS.callsOpenMax) {
      const error = new EasynetError("OVERLOADED", { subject: "This connection", queued: this.#open.size });
      this.#sendError(message.call, error);
      return;
    }
    const call: OpenCall = {
      controller: new AbortController(),
      creditCount: message.window ?? LOCAL_LIMITS.windowItems,
      wake: undefined,
    };
    this.#open.set(message.call, call);
    void this.#run(message, call);
  }

  /** Room for more events; for a call that has ended it means nothing. */
  credit(number: number, count: number): void {
    const call = this.#open.get(number);
    if (!call) return;
    call.creditCount = Math.min(call.creditCount + count, LOCAL_LIMITS.windowItemsMax);
    call.wake?.();
  }

  /** The process no longer wants a call; it still gets the end of it. */
  cancel(number: number): void {
    this.#abort(this.#open.get(number), new EasynetError("CANCELLED", { subject: "The call" }));
  }

  /** The process does not read: its calls end, so that their events stop piling up. */
  failAll(): void {
    const error = this.#backpressure();
    for (const [number, call] of this.#open) {
      this.#open.delete(number);
      this.#abort(call, error);
      this.#sendError(number, error);
    }
  }

  /** The process is gone: what its calls do for it stops, and stored tasks go on. */
  close(): void {
    const error = new EasynetError("LINK_CLOSED", { peer: this.#options.peer(), reason: "the process is gone" });
    for (const call of this.#open.values()) this.#abort(call, error);
    this.#open.clear();
  }

  async #run(message: CallMessage, call: OpenCall): Promise<void> {
    const number = message.call;
    try {
      for await (const event of this.#options.node.call(requestOf(message), { signal: call.controller.signal })) {
        if (takesCredit(event) && !(await hasRoom(call))) continue;
        // Failed by `failAll` or closed while it waited: its end was sent, or nobody is there.
        if (this.#open.get(number) !== call) return;
        if (event.type === "final" || event.type === "error") {
          this.#end(number, message, event);
          return;
        }
        this.#sendEvent(number, event);
      }
      throw new EasynetError("INTERNAL", { reason: "the call ended without a result" });
    } catch (error) {
      if (this.#open.get(number) !== call) return;
      this.#end(number, message, { type: "error", error: tooLargeOf(error, message.capability).toJSON() });
    }
  }

  /** Taken out before its end is sent: sending may find the process too slow and end all open calls. */
  #end(number: number, message: CallMessage, event: RoutedEvent): void {
    this.#open.delete(number);
    try {
      this.#sendEvent(number, event);
    } catch (error) {
      this.#sendError(number, tooLargeOf(error, message.capability));
    }
  }

  #abort(call: OpenCall | undefined, error: EasynetError): void {
    call?.controller.abort(error);
    call?.wake?.();
  }

  #sendEvent(call: number, event: RoutedEvent): void {
    this.#options.send({ type: "event", call, event });
  }

  #sendError(call: number, error: EasynetError): void {
    this.#sendEvent(call, { type: "error", error: error.toJSON() });
  }

  #backpressure(): EasynetError {
    const { peer, bufferedBytes } = this.#options;
    return new EasynetError("BACKPRESSURE", { peer: peer(), bytes: bufferedBytes(), lane: "attach" });
  }
}

/** Takes one credit, waiting for it; false when the call was aborted, whose stream events nobody wants. */
async function hasRoom(call: OpenCall): Promise<boolean> {
  while (call.creditCount === 0 && !call.controller.signal.aborted) {
    await new Promise<void>((resolve) => {
      call.wake = resolve;
    });
    call.wake = undefined;
  }
  if (call.controller.signal.aborted) return false;
  call.creditCount -= 1;
  return true;
}

/** A message that is too large is, for the caller, a result that is too large. */
function tooLargeOf(thrown: unknown, capability: string): EasynetError {
  if (!isEasynetError(thrown, "FRAME_TOO_LARGE")) return toEasynetError(thrown);
  return new EasynetError("RESULT_TOO_LARGE", { capability, bytesMax: LOCAL_LIMITS.messageBytesMax });
}

function requestOf(message: CallMessage): CallRequest {
  const { type: _type, call: _call, window: _window, args, kwargs, ...rest } = message;
  return { ...rest, input: { args: args ?? [], kwargs: kwargs ?? {} } };
}
