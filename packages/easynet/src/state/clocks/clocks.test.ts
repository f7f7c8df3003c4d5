import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareStamps, HybridClock, SKEW_MS_MAX } from "./hybrid-clock-core.ts";
import { formatToken, parseToken, VersionVector } from "./version-vector-core.ts";

const counters = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 1, max: 5 }));
const vectors = counters.map((record) => new VersionVector(Object.entries(record)));
const copyWith = (one: VersionVector, other: VersionVector): VersionVector => {
  const copy = one.copy();
  copy.merge(other);
  return copy;
};

describe("a version vector", () => {
  test("is before what knows more, equal to itself, and concurrent to what knows something else", () => {
    const [none, a1, a2, b1] = [[], [["a", 1]], [["a", 2]], [["b", 1]]].map(
      (pairs) => new VersionVector(pairs.map(([writer, counter]) => [String(writer), Number(counter)])),
    );
    if (!none || !a1 || !a2 || !b1) throw new Error("unreachable");
    expect(none.compare(a1)).toBe("before");
    expect(a2.compare(a1)).toBe("after");
    expect(a1.compare(a1.copy())).toBe("equal");
    expect(a2.compare(b1)).toBe("concurrent");
    expect(a2.covers({ writer: "a", counter: 2 })).toBe(true);
    expect(a2.covers({ writer: "a", counter: 3 })).toBe(false);
  });

  test("merges in any order, any grouping, and any number of times to the same", () => {
    fc.assert(
      fc.property(vectors, vectors, vectors, (one, two, three) => {
        expect(formatToken(copyWith(one, two))).toBe(formatToken(copyWith(two, one)));
        expect(formatToken(copyWith(copyWith(one, two), three))).toBe(formatToken(copyWith(one, copyWith(two, three))));
        expect(formatToken(copyWith(one, one))).toBe(formatToken(one));
        expect(copyWith(one, two).dominates(one)).toBe(true);
      }),
    );
  });

  test("is ordered as its counters are", () => {
    fc.assert(
      fc.property(vectors, vectors, (one, other) => {
        const turned = { before: "after", after: "before", equal: "equal", concurrent: "concurrent" } as const;
        expect(other.compare(one)).toBe(turned[one.compare(other)]);
        expect(one.compare(other) === "equal").toBe(formatToken(one) === formatToken(other));
        expect(["before", "equal"].includes(one.compare(other))).toBe(
          formatToken(copyWith(one, other)) === formatToken(other),
        );
      }),
    );
  });

  test("forgets the writers that are to be forgotten and no others", () => {
    const vector = new VersionVector([
      ["a", 3],
      ["b", 2],
    ]);
    vector.prune((writer) => writer !== "a");
    expect(vector.toJSON()).toEqual({ b: 2 });
    expect(vector.get("a")).toBe(0);
  });

  test("comes back from its token, and what is no token is refused", () => {
    fc.assert(
      fc.property(vectors, (vector) => {
        expect(parseToken(formatToken(vector)).compare(vector)).toBe("equal");
      }),
    );
    for (const token of ["a", "a=", "=1", "a=1,,b=2", "a=1=2", "a=zzzzzzzzzzzz", "a=1,a=2", "a=-1"]) {
      expect(() => parseToken(token)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
    expect(parseToken("").size).toBe(0);
  });
});

describe("a hybrid clock", () => {
  test("goes forwards only, also when the wall clock goes back and when others are ahead", () => {
    const steps = fc.array(
      fc.record({ nowMs: fc.integer({ min: 0, max: 200_000 }), seenMs: fc.integer({ min: 0, max: 200_000 }) }),
    );
    fc.assert(
      fc.property(steps, (moves) => {
        const clock = new HybridClock();
        for (const { nowMs, seenMs } of moves) {
          const before = clock.last;
          const taken = clock.observe({ ms: seenMs, count: 7 }, nowMs);
          expect(taken).toBe(seenMs <= nowMs + SKEW_MS_MAX);
          const stamp = clock.tick(nowMs);
          expect(compareStamps(stamp, before)).toBeGreaterThan(0);
          const seen = taken ? { ms: seenMs, count: 7 } : before;
          expect(compareStamps(stamp, seen)).toBeGreaterThan(0);
          expect(stamp.ms).toBeGreaterThanOrEqual(nowMs);
        }
      }),
    );
  });

  test("stays with the wall clock when nothing pushes it ahead", () => {
    const clock = new HybridClock();
    expect(clock.tick(1000)).toEqual({ ms: 1000, count: 0 });
    expect(clock.tick(1000)).toEqual({ ms: 1000, count: 1 });
    expect(clock.tick(1001)).toEqual({ ms: 1001, count: 0 });
  });

  test("borrows the next ms when the counter of one is used up", () => {
    const clock = new HybridClock();
    clock.observe({ ms: 5, count: 2 ** 16 - 1 }, 5);
    expect(clock.tick(5)).toEqual({ ms: 6, count: 0 });
  });
});
