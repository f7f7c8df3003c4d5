export type { LogDestination } from "./log-file.ts";
export { createLogger, type LoggerOptions, type LogLevel } from "./logger.ts";
export { createMetrics, type MetricsRegistry } from "./metrics.ts";
