/** Structured log lines. `fields` are data, never secrets; messages are short constant phrases. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose lines all carry `fields`. */
  child(fields: LogFields): Logger;
}

export type LogFields = Readonly<Record<string, unknown>>;

/** Counters and gauges, names `easynet_noun_unit`; label values come from closed sets, never ids. */
export interface Metrics {
  count(name: string, labels?: MetricLabels, by?: number): void;
  gauge(name: string, value: number, labels?: MetricLabels): void;
}

export type MetricLabels = Readonly<Record<string, string>>;

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

export const noMetrics: Metrics = { count: () => undefined, gauge: () => undefined };
