import type { Did } from "../identity/index.ts";
import { type Logger, type Metrics, toEasynetError } from "../kernel/index.ts";

/** How what is refused shows in logs and metrics. */
export interface RefusalOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Counts by error code. */
  readonly counter: string;
  /** E.g. "liveness message". */
  readonly what: string;
}

/** Runs what takes in a peer's bytes. These may be anything: what throws is refused and counted, the link stays. */
export function orRefuse(options: RefusalOptions, from: Did, takeIn: () => void): void {
  try {
    takeIn();
  } catch (thrown) {
    const { code, message } = toEasynetError(thrown);
    options.metrics.count(options.counter, { code });
    options.logger.warn(`${options.what} refused`, { from, code, reason: message });
  }
}
