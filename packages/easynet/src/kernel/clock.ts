/** Time as a port: everything below `node/` gets one, so that tests and simulations own the clock. */
export interface Clock {
  /** Wall clock, Unix epoch ms. For stamps that others read; it may jump. */
  nowMs(): number;
  /** Monotonic ms from an arbitrary origin. For durations and deadlines inside one process. */
  monotonicMs(): number;
  /** Calls back once after `delayMs`, however long that is; does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** `setTimeout` fires at once for more than this (a signed 32-bit number of ms, 24.8 days). */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback) {
    let handle: NodeJS.Timeout;
    const wait = (restMs: number): void => {
      const isLong = restMs > TIMEOUT_MS_MAX;
      handle = isLong ? setTimeout(() => wait(restMs - TIMEOUT_MS_MAX), TIMEOUT_MS_MAX) : setTimeout(callback, restMs);
      handle.unref();
    };
    wait(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Repeats until cancelled: first after one interval. A slow callback delays the next; runs never overlap. */
export function repeat(clock: Clock, intervalMs: number, callback: () => void): Timer {
  let cancelled = false;
  let timer: Timer;
  const arm = (): void => {
    timer = clock.setTimer(intervalMs, () => {
      callback();
      if (!cancelled) arm();
    });
  };
  arm();
  return {
    cancel() {
      cancelled = true;
      timer.cancel();
    },
  };
}
