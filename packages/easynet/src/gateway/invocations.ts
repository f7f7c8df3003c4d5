import { BoundedQueue, EasynetError, fromWireError, isErrorCode } from "../kernel/index.ts";
import type { AgentEvent } from "../model/index.ts";
import { LOCAL_LIMITS, type NodeMessage, type ProcessMessage } from "../node/index.ts";

/** A function of the process that runs for this node. */
export interface Invocation {
  readonly id: number;
  readonly capability: string;
  /** Events not yet consumed. Items are limited by the window, so there is always room for the end. */
  readonly queue: BoundedQueue<AgentEvent>;
  /** Items and progress events that the process may still send. */
  creditCount: number;
  ended: boolean;
}

type Answer = Extract<ProcessMessage, { type: "item" | "progress" | "result" | "failure" }>;

export interface InvocationsOptions {
  /** What the process is called in errors. */
  readonly peer: () => string;
  readonly send: (message: NodeMessage) => void;
  /** True while the process reads too slowly to get more work. */
  readonly congested: () => boolean;
  readonly bufferedBytes: () => number;
}

/** The invocations of one connection: numbers them, routes answers, ends them when the process goes. */
export class Invocations {
  readonly #options: InvocationsOptions;
  readonly #running = new Map<number, Invocation>();
  #nextId = 1;

  constructor(options: InvocationsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#running.size;
  }

  /** @throws {EasynetError} BACKPRESSURE while the process does not read what it was sent */
  begin(capability: string): Invocation {
    const { congested, peer, bufferedBytes } = this.#options;
    if (congested()) {
      throw new EasynetError("BACKPRESSURE", { peer: peer(), bytes: bufferedBytes(), lane: "attach" });
    }
    const queue = new BoundedQueue<AgentEvent>(LOCAL_LIMITS.windowItems + 1);
    const invocation = { id: this.#nextId++, capability, queue, creditCount: LOCAL_LIMITS.windowItems, ended: false };
    this.#running.set(invocation.id, invocation);
    return invocation;
  }

  /**
   * Takes what the process said about an invocation. Answers for one that ended are dropped: they crossed its end.
   * @throws {EasynetError} INVALID_ARGUMENT for an invocation that never was
   */
  answer(message: Answer): void {
    const invocation = this.#running.get(message.invocation);
    if (!invocation) {
      if (message.invocation < this.#nextId) return;
      throw new EasynetError("INVALID_ARGUMENT", {
        subject: `The ${message.type} message`,
        reason: `there was no invocation ${message.invocation}`,
      });
    }
    const { capability } = invocation;
    switch (message.type) {
      case "item":
        this.#stream(invocation, { type: "item", value: message.value });
        break;
      case "progress":
        this.#stream(invocation, message.event);
        break;
      case "result":
        this.#end(invocation, { type: "final", value: message.value, stop: "end" });
        break;
      case "failure": {
        this.#fail(invocation, failureOf(message.error, capability));
        break;
      }
    }
  }

  /** Ends an invocation from this side and tells the process; does nothing when it has ended. */
  cancel(invocation: Invocation, error: EasynetError): void {
    if (invocation.ended) return;
    this.#fail(invocation, error);
    this.#options.send({ type: "cancel", invocation: invocation.id, error: error.toJSON() });
  }

  /** The process is gone: whether its work was done is not known. */
  loseAll(): void {
    for (const invocation of this.#running.values()) {
      const { capability } = invocation;
      this.#fail(invocation, new EasynetError("PROVIDER_LOST", { peer: this.#options.peer(), capability }));
    }
  }

  #stream(invocation: Invocation, event: AgentEvent): void {
    if (invocation.creditCount === 0) {
      const { capability } = invocation;
      const reason = `more than ${LOCAL_LIMITS.windowItems} items without credit`;
      this.cancel(
        invocation,
        new EasynetError("PROVIDER_MISBEHAVED", { peer: this.#options.peer(), capability, reason }),
      );
      return;
    }
    invocation.creditCount -= 1;
    invocation.queue.push(event);
  }

  #fail(invocation: Invocation, error: EasynetError): void {
    this.#end(invocation, { type: "error", error: error.toJSON() });
  }

  #end(invocation: Invocation, event: AgentEvent): void {
    invocation.ended = true;
    this.#running.delete(invocation.id);
    invocation.queue.push(event);
    invocation.queue.end();
  }
}

/** A failure in the process: its own easynet error where it names a known code, else the function's. */
function failureOf(error: Extract<Answer, { type: "failure" }>["error"], capability: string): EasynetError {
  const { name, message: reason, code, details = {} } = error;
  if (code === undefined || !isErrorCode(code))
    return new EasynetError("FUNCTION_FAILED", { capability, name, reason });
  return fromWireError({ code, message: reason, retryable: false, details });
}
