import type { Clock } from "../kernel/index.ts";

/** Runs a generator of work to its end without a pause. */
export function finish<Result>(work: Generator<void, Result, void>): Result {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** Runs it with a turn of the event loop at each `yield`, so that heartbeats go on. */
export async function finishWithPauses<Result>(work: Generator<void, Result, void>, clock: Clock): Promise<Result> {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    await new Promise<void>((resolve) => {
      clock.setTimer(0, resolve);
    });
  }
}
