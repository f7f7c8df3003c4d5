import { describe, expect, test } from "vitest";
import { noMetrics, silentLogger } from "./ports.ts";

describe("the ports that do nothing", () => {
  test("take every call without an effect, and children stay silent", () => {
    const child = silentLogger.child({ node: "a" });
    expect(child).toBe(silentLogger);
    expect([child.debug("x"), child.info("x"), child.warn("x"), child.error("x", { a: 1 })]).toEqual(
      Array(4).fill(undefined),
    );
    expect([noMetrics.count("easynet_x_total"), noMetrics.gauge("easynet_x", 1)]).toEqual([undefined, undefined]);
  });
});
