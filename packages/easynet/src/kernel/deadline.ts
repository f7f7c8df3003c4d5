import type { Clock } from "./clock.ts";
import { EasynetError } from "./errors.ts";

export interface DeadlineOptions {
  readonly clock: Clock;
  /** What the deadline belongs to, for the error message. */
  readonly subject: string;
  readonly timeoutMs: number;
  /** Cancels earlier than the deadline. */
  readonly signal?: AbortSignal | undefined;
}

/** An AbortSignal with a deadline; dispose it (`using`) when the work ended, so that its timer goes. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

/** Aborts with DEADLINE_EXCEEDED after `timeoutMs`, or with the caller's reason when its signal aborts first. */
export function startDeadline(options: DeadlineOptions): Deadline {
  const { clock, subject, timeoutMs, signal } = options;
  const controller = new AbortController();
  const forward = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) forward();
  else signal?.addEventListener("abort", forward, { once: true });
  const timer = clock.setTimer(timeoutMs, () => {
    controller.abort(new EasynetError("DEADLINE_EXCEEDED", { subject, timeoutMs }));
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      timer.cancel();
      signal?.removeEventListener("abort", forward);
    },
  };
}
