import type { EasynetError } from "../kernel/index.ts";
import { stopReason } from "./failure.ts";

/**
 * What may stop a task: cancellation, deadline, budget, the node's end. The first reason counts.
 * The AbortSignal is made only when somebody asks for it, because most short functions never look at it and making
 * one costs more than running them.
 */
export class StopSource {
  #reason: EasynetError | undefined;
  #controller: AbortController | undefined;
  readonly #listeners: ((reason: EasynetError) => void)[] = [];

  /** A source that stops when `signal` aborts. Call `unfollow` when the work ended. */
  static following(signal: AbortSignal, subject: string): { readonly stop: StopSource; unfollow(): void } {
    const stop = new StopSource();
    const unfollow = stop.follow(signal, subject);
    return { stop, unfollow };
  }

  get reason(): EasynetError | undefined {
    return this.#reason;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Called once, in order of subscription; at once if the source has stopped already. */
  onStop(listener: (reason: EasynetError) => void): void {
    if (this.#reason) listener(this.#reason);
    else this.#listeners.push(listener);
  }

  stop(reason: EasynetError): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    for (const listener of this.#listeners.splice(0)) listener(reason);
  }

  /** Stops with the reason of `signal` when that aborts. @returns takes the listener off again */
  follow(signal: AbortSignal, subject: string): () => void {
    const forward = (): void => this.stop(stopReason(signal, subject));
    if (signal.aborted) forward();
    else signal.addEventListener("abort", forward, { once: true });
    return () => signal.removeEventListener("abort", forward);
  }
}
