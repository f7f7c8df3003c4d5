import { describe, expect, test } from "vitest";
import { createMetrics, SERIES_COUNT_MAX } from "./metrics.ts";

describe("createMetrics", () => {
  test("counts add up and gauges keep the last value, in the snapshot and in the text", async () => {
    const metrics = createMetrics();
    metrics.count("easynet_tasks_total", { outcome: "completed" });
    metrics.count("easynet_tasks_total", { outcome: "completed" }, 2);
    metrics.count("easynet_tasks_total", { outcome: "failed" });
    metrics.gauge("easynet_peers_connected", 4);
    metrics.gauge("easynet_peers_connected", 3);
    expect(metrics.counters()).toEqual({
      'easynet_tasks_total{outcome="completed"}': 3,
      'easynet_tasks_total{outcome="failed"}': 1,
      easynet_peers_connected: 3,
    });
    for (let scrape = 0; scrape < 2; scrape += 1) {
      const text = await metrics.render();
      expect(text).toContain('easynet_tasks_total{outcome="completed"} 3\n');
      expect(text).toContain("# TYPE easynet_tasks_total counter\n");
      expect(text).toContain("# TYPE easynet_peers_connected gauge\n");
      expect(text).toContain("easynet_peers_connected 3\n");
    }
  });

  test("the order of labels does not make another series", () => {
    const metrics = createMetrics();
    metrics.count("easynet_x_total", { a: "1", b: "2" });
    metrics.count("easynet_x_total", { b: "2", a: "1" });
    expect(metrics.counters()).toEqual({ 'easynet_x_total{a="1",b="2"}': 2 });
  });

  test("two registries share nothing", () => {
    const one = createMetrics();
    const other = createMetrics();
    one.count("easynet_x_total");
    expect(other.counters()).toEqual({});
  });

  test("series beyond the limit are dropped and counted; those that exist go on", async () => {
    const metrics = createMetrics();
    for (let index = 0; index < SERIES_COUNT_MAX + 50; index += 1) {
      metrics.count("easynet_x_total", { label: String(index) });
    }
    metrics.count("easynet_x_total", { label: "0" });
    const counters = metrics.counters();
    expect(Object.keys(counters)).toHaveLength(SERIES_COUNT_MAX + 1);
    expect(counters["easynet_metrics_dropped_total"]).toBe(50);
    expect(counters['easynet_x_total{label="0"}']).toBe(2);
    await expect(metrics.render()).resolves.toContain("easynet_metrics_dropped_total 50\n");
  });

  test("a use with other labels or as another kind is dropped and counted", () => {
    const metrics = createMetrics();
    metrics.count("easynet_x_total", { a: "1" });
    metrics.count("easynet_x_total", { b: "1" });
    metrics.gauge("easynet_x_total", 7, { a: "1" });
    expect(metrics.counters()).toEqual({ 'easynet_x_total{a="1"}': 1, easynet_metrics_dropped_total: 2 });
  });

  test("quotes and line breaks in label values stay inside them", async () => {
    const metrics = createMetrics();
    metrics.count("easynet_x_total", { reason: 'a"b\nc' });
    await expect(metrics.render()).resolves.toContain('easynet_x_total{reason="a\\"b\\nc"} 1\n');
  });

  test("a name that Prometheus cannot read is a mistake of ours and says so", () => {
    expect(() => createMetrics().count("easynet x")).toThrow("easynet x is no name of a metric");
  });
});
