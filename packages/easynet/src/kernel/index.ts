export { backoffMs, type BackoffOptions } from "./backoff.ts";
export { BoundedQueue } from "./bounded-queue.ts";
export { type Clock, repeat, systemClock, type Timer } from "./clock.ts";
export { WakeTimer } from "./wake-timer.ts";
export { type Deadline, type DeadlineOptions, startDeadline } from "./deadline.ts";
export type { ErrorRow, ErrorStatus } from "./error-row.ts";
export { ERROR_TABLE, type ErrorCode, exitCodeOf, httpStatusOf } from "./error-table.ts";
export {
  assert,
  describeError,
  type DetailsOf,
  EasynetError,
  type ErrorDetails,
  type ErrorOptions,
  fromWireError,
  isEasynetError,
  isErrorCode,
  toEasynetError,
  type WireError,
} from "./errors.ts";
export { hashText, mixHash } from "./hash.ts";
export { createId, formatId, parseId, writeId } from "./ids.ts";
export { type Logger, type LogFields, type MetricLabels, type Metrics, noMetrics, silentLogger } from "./ports.ts";
export { pick, type Random, sample, seededRandom, systemRandom } from "./random.ts";
