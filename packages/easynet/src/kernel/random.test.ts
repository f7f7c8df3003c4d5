import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pick, type Random, seededRandom, systemRandom } from "./random.ts";

function draw(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.next());
}

describe("a random source", () => {
  test("with a seed repeats itself, and differs from its neighbours", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 2 }), (seed) => {
        expect(draw(seededRandom(seed), 20)).toEqual(draw(seededRandom(seed), 20));
        expect(draw(seededRandom(seed), 20)).not.toEqual(draw(seededRandom(seed + 1), 20));
      }),
    );
  });

  test.each([
    ["seeded", seededRandom(7)],
    ["of the system", systemRandom],
  ])("%s stays in [0, 1) and fills each tenth", (_, random) => {
    const values = draw(random, 5000);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    const tenths = new Map<number, number>();
    for (const value of values) tenths.set(Math.floor(value * 10), (tenths.get(Math.floor(value * 10)) ?? 0) + 1);
    expect(tenths.size).toBe(10);
    // 500 are expected; below 350 is seven standard deviations away.
    expect(Math.min(...tenths.values())).toBeGreaterThan(350);
  });
});

describe("pick", () => {
  test("returns one of the items, and nothing from nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), fc.integer(), (items, seed) => {
        expect(items).toContain(pick(seededRandom(seed), items));
      }),
    );
    expect(pick(seededRandom(1), [])).toBeUndefined();
    expect(pick({ next: () => 0.999_999 }, ["a", "b", "c"])).toBe("c");
  });
});
