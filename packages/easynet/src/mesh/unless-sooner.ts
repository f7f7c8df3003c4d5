import type { Clock } from "../kernel/index.ts";

/** Resolves after a while, or as soon as `ending` settles. */
export async function delayUnlessSooner(clock: Clock, delayMs: number, ending: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = clock.setTimer(delayMs, resolve);
    void ending.finally(() => {
      timer.cancel();
      resolve();
    });
  });
}
