import { Counter, Gauge, Registry } from "@prometheus-io/client";
import { assert, type MetricLabels, type Metrics } from "../kernel/index.ts";

/** Series that one node keeps at most; a label that grows without bound must not fill the memory. */
export const SERIES_COUNT_MAX = 2000;

/** Counts the values that were dropped because their series would have been one too many, or had other labels. */
const DROPPED_NAME = "easynet_metrics_dropped_total";

const NAME_PATTERN = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

type Kind = "counter" | "gauge";

interface Series {
  readonly labels: Record<string, string>;
  value: number;
}

interface Family {
  readonly kind: Kind;
  readonly labelNames: readonly string[];
  readonly series: Series[];
}

/** The metrics of a node, with what its doors show of them. */
export interface MetricsRegistry extends Metrics {
  /** The text that Prometheus reads. */
  render(): Promise<string>;
  /** The content type of `render`. */
  readonly contentType: string;
  /** Every value now, by `name` or `name{label="value"}`. */
  counters(): Record<string, number>;
}

/**
 * Metrics over a registry of their own, so that two nodes in one process do not share figures. A metric has the kind
 * and the label names of its first use; a use that differs, or a series beyond {@link SERIES_COUNT_MAX}, is dropped and
 * counted. The values live in a map of ours (one look-up per count); the client library renders them when it is asked.
 */
export function createMetrics(): MetricsRegistry {
  const registry = new Registry();
  const families = new Map<string, Family>();
  const all = new Map<string, Series>();

  const add = (kind: Kind, name: string, labels: MetricLabels): Series | undefined => {
    const labelNames = Object.keys(labels).sort();
    const family = families.get(name) ?? createFamily(kind, name, labelNames);
    const fits = family.kind === kind && family.labelNames.join() === labelNames.join();
    // The count of what was dropped has its place beyond the limit.
    if (!fits || (all.size >= SERIES_COUNT_MAX && name !== DROPPED_NAME)) return undefined;
    if (!families.has(name)) {
      families.set(name, family);
      showFamily(registry, name, family);
    }
    const series = { labels: { ...labels }, value: 0 };
    family.series.push(series);
    return series;
  };

  const find = (kind: Kind, name: string, labels: MetricLabels): Series | undefined => {
    const key = seriesKey(name, labels);
    const known = all.get(key);
    if (known) return families.get(name)?.kind === kind ? known : undefined;
    const created = add(kind, name, labels);
    if (created) all.set(key, created);
    return created;
  };

  const drop = (): void => {
    const series = find("counter", DROPPED_NAME, {});
    if (series) series.value += 1;
  };

  return {
    count(name, labels = {}, by = 1) {
      if (!(by > 0)) return;
      const series = find("counter", name, labels);
      if (series) series.value += by;
      else drop();
    },
    gauge(name, value, labels = {}) {
      const series = find("gauge", name, labels);
      if (series) series.value = value;
      else drop();
    },
    render: async () => registry.metrics(),
    contentType: registry.contentType,
    counters: () => Object.fromEntries([...all].map(([key, { value }]) => [key, value])),
  };
}

function createFamily(kind: Kind, name: string, labelNames: readonly string[]): Family {
  assert(NAME_PATTERN.test(name), `${name} is no name of a metric`);
  for (const label of labelNames) assert(NAME_PATTERN.test(label), `${label} is no name of a label`);
  return { kind, labelNames, series: [] };
}

/** Shows a family in the registry, which asks for the values at each rendering. */
function showFamily(registry: Registry, name: string, { kind, labelNames, series }: Family): void {
  const common = {
    name,
    help: name.replace(/^easynet_/, "").replaceAll("_", " "),
    labelNames: [...labelNames],
    registers: [registry],
  };
  if (kind === "gauge") {
    const gauge: Gauge<string> = new Gauge<string>({
      ...common,
      collect: () => {
        for (const { labels, value } of series) gauge.set(labels, value);
      },
    });
    return;
  }
  const counter: Counter<string> = new Counter<string>({
    ...common,
    collect: () => {
      counter.reset();
      for (const { labels, value } of series) counter.inc(labels, value);
    },
  });
}

function seriesKey(name: string, labels: MetricLabels): string {
  const names = Object.keys(labels);
  if (names.length === 0) return name;
  const pairs = names.sort().map((label) => `${label}=${JSON.stringify(labels[label])}`);
  return `${name}{${pairs.join(",")}}`;
}
