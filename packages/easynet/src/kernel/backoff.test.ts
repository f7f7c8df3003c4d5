import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";
import { seededRandom } from "./random.ts";

const options = { baseMs: 100, capMs: 30_000 };

describe("backoffMs", () => {
  test("stays between zero and the doubled base, never above the cap", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.integer(), (attempt, seed) => {
        const delayMs = backoffMs(attempt, options, seededRandom(seed));
        expect(delayMs).toBeGreaterThanOrEqual(0);
        expect(delayMs).toBeLessThan(Math.min(options.capMs, options.baseMs * 2 ** attempt));
      }),
    );
  });

  test("uses the whole range, so that many callers do not return at one moment", () => {
    expect(backoffMs(3, options, { next: () => 0 })).toBe(0);
    expect(backoffMs(3, options, { next: () => 0.5 })).toBe(400);
    expect(backoffMs(60, options, { next: () => 0.5 })).toBe(15_000);
  });
});
