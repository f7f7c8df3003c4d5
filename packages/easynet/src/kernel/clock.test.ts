import { describe, expect, test, vi } from "vitest";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { repeat, systemClock } from "./clock.ts";

describe("repeat", () => {
  test("calls first after one interval and then every interval", () => {
    const clock = new VirtualClock();
    const calledAtMs: number[] = [];
    repeat(clock, 100, () => calledAtMs.push(clock.monotonicMs()));
    clock.advance(99);
    expect(calledAtMs).toEqual([]);
    clock.advance(301);
    expect(calledAtMs).toEqual([100, 200, 300, 400]);
  });

  test("stops when it is cancelled, from outside and from within", () => {
    const clock = new VirtualClock();
    let count = 0;
    const timer = repeat(clock, 10, () => {
      count += 1;
      if (count === 3) timer.cancel();
    });
    clock.advance(1000);
    expect(count).toBe(3);
    const other = repeat(clock, 10, () => (count += 1));
    clock.advance(15);
    other.cancel();
    clock.advance(1000);
    expect(count).toBe(4);
    expect(clock.pendingCount).toBe(0);
  });

  test("never has more than one timer waiting", () => {
    const clock = new VirtualClock();
    const timer = repeat(clock, 10, () => undefined);
    for (let step = 0; step < 20; step++) {
      clock.advance(7);
      expect(clock.pendingCount).toBe(1);
    }
    timer.cancel();
  });
});

describe("the system clock", () => {
  test("counts forward without jumps, and calls no cancelled timer", () => {
    const before = systemClock.monotonicMs();
    expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(before);
    expect(Number.isInteger(systemClock.nowMs())).toBe(true);
    let called = false;
    systemClock.setTimer(1_000_000, () => (called = true)).cancel();
    expect(called).toBe(false);
  });

  test("waits for more than 24 days as long as it is told", () => {
    vi.useFakeTimers();
    try {
      const dayMs = 86_400_000;
      let calledCount = 0;
      systemClock.setTimer(60 * dayMs, () => (calledCount += 1));
      const cancelled = systemClock.setTimer(60 * dayMs, () => (calledCount += 10));
      systemClock.setTimer(Infinity, () => (calledCount += 100));
      vi.advanceTimersByTime(30 * dayMs);
      cancelled.cancel();
      vi.advanceTimersByTime(30 * dayMs - 1);
      expect(calledCount).toBe(0);
      vi.advanceTimersByTime(1);
      expect(calledCount).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });
});
