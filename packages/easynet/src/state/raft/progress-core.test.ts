import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Inflights } from "./inflights-core.ts";
import { Progress } from "./progress-core.ts";

const progressOf = (match: number, next: number, windowCount = 256): Progress =>
  new Progress({ match, next, recentActive: true, inflights: new Inflights(windowCount, Infinity), isLearner: false });

describe("a window of appends on their way", () => {
  test("is full at its number or at its bytes, and empties from the front", () => {
    const window = new Inflights(3, 100);
    window.add(1, 10);
    window.add(4, 10);
    expect(window.full).toBe(false);
    window.add(6, 80);
    expect(window.full).toBe(true);
    expect(() => window.add(7, 1)).toThrow(/full/);
    window.freeUpTo(5);
    expect([window.count, window.full]).toEqual([1, false]);
    window.add(9, 20);
    expect(window.full).toBe(true);
    window.freeUpTo(9);
    expect(window.count).toBe(0);
  });

  test("an old answer frees nothing", () => {
    const window = new Inflights(2, Infinity);
    window.add(5, 1);
    window.freeUpTo(4);
    expect(window.count).toBe(1);
    window.clear();
    expect(window.count).toBe(0);
  });

  test("counts as a list of what is not answered", () => {
    const operation = fc.record({ free: fc.boolean(), step: fc.integer({ min: 1, max: 5 }) });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const window = new Inflights(4, Infinity);
        let known: number[] = [];
        let last = 0;
        for (const { free, step } of operations) {
          if (free) {
            const upTo = (known[0] ?? 0) + step;
            window.freeUpTo(upTo);
            known = known.filter((index) => index > upTo);
          } else if (!window.full) {
            last += step;
            window.add(last, 0);
            known.push(last);
          }
          expect([window.count, window.full]).toEqual([known.length, known.length === 4]);
        }
      }),
    );
  });
});

describe("progress of a member", () => {
  test("a probe is one append, until it is answered", () => {
    const progress = progressOf(0, 5);
    progress.sentEntries(2, 10);
    expect([progress.next, progress.isPaused]).toEqual([5, true]);
    expect(progress.maybeUpdate(6)).toBe(true);
    expect([progress.match, progress.next, progress.isPaused]).toEqual([6, 7, false]);
  });

  test("a stream goes on until its window is full", () => {
    const progress = progressOf(4, 5, 2);
    progress.becomeReplicate();
    progress.sentEntries(3, 10);
    expect([progress.next, progress.isPaused]).toEqual([8, false]);
    progress.sentEntries(1, 10);
    expect([progress.next, progress.isPaused, progress.inflights.full]).toEqual([9, true, true]);
  });

  test.each([
    // state, match, next, rejected, hint -> true when it counts, next
    ["StateReplicate", 5, 10, 5, 5, false, 10],
    ["StateReplicate", 5, 10, 4, 4, false, 10],
    ["StateReplicate", 5, 10, 9, 9, true, 6],
    ["StateProbe", 0, 0, 0, 0, false, 0],
    ["StateProbe", 0, 10, 5, 5, false, 10],
    ["StateProbe", 0, 10, 9, 9, true, 9],
    ["StateProbe", 0, 2, 1, 1, true, 1],
    ["StateProbe", 0, 1, 0, 0, true, 1],
    ["StateProbe", 0, 10, 9, 2, true, 3],
    ["StateProbe", 0, 10, 9, 0, true, 1],
  ] as const)(
    "%s match=%d next=%d refused after %d with hint %d",
    (...[state, match, next, rejected, hint, counts, expected]) => {
      const progress = progressOf(match, next);
      progress.state = state;
      expect(progress.maybeDecreaseTo(rejected, hint)).toBe(counts);
      expect([progress.match, progress.next]).toEqual([match, expected]);
    },
  );

  test("probes from behind a snapshot that arrived, and from the beginning after one that did not", () => {
    const arrived = progressOf(1, 5);
    arrived.becomeSnapshot(10);
    expect([arrived.isPaused, arrived.next]).toEqual([true, 11]);
    arrived.becomeProbe();
    expect([arrived.state, arrived.next]).toEqual(["StateProbe", 11]);
    const failed = progressOf(1, 5);
    failed.becomeSnapshot(10);
    failed.pendingSnapshot = 0;
    failed.becomeProbe();
    expect(failed.next).toBe(2);
  });

  test("a commit index is worth sending when it lets the member commit more than what it was told", () => {
    const progress = progressOf(4, 8);
    expect(progress.canBumpCommit(0)).toBe(false);
    expect(progress.canBumpCommit(3)).toBe(true);
    progress.sentCommit = 7;
    expect(progress.canBumpCommit(9)).toBe(false);
  });

  test("a copy shares nothing but the window", () => {
    const progress = progressOf(4, 8);
    progress.becomeReplicate();
    progress.sentCommit = 3;
    const copy = progress.copy();
    expect(copy.status(1)).toEqual(progress.status(1));
    copy.isLearner = true;
    copy.match = 5;
    expect([progress.isLearner, progress.match, copy.sentCommit]).toEqual([false, 4, 3]);
  });
});
