import { describe, expect, test } from "vitest";
import { VirtualClock } from "../testing/virtual-clock.ts";
import type { Clock } from "./clock.ts";
import { WakeTimer } from "./wake-timer.ts";

function watched(clock: VirtualClock): { readonly timer: WakeTimer; readonly wokenAtMs: number[] } {
  const wokenAtMs: number[] = [];
  return { timer: new WakeTimer(clock, () => wokenAtMs.push(clock.monotonicMs())), wokenAtMs };
}

describe("a wake timer", () => {
  test("wakes once at the time that was set last, and again when it is set again", () => {
    const clock = new VirtualClock();
    const { timer, wokenAtMs } = watched(clock);
    timer.set(100);
    timer.set(40);
    clock.advance(200);
    expect(wokenAtMs).toEqual([40]);
    timer.set(250);
    timer.set(250);
    clock.advance(100);
    expect([wokenAtMs, clock.pendingCount]).toEqual([[40, 250], 0]);
  });

  test("wakes for a past time in a turn of its own, and may be set to it again from there", () => {
    const clock = new VirtualClock();
    clock.advance(10);
    let count = 0;
    const timer: WakeTimer = new WakeTimer(clock, () => {
      count += 1;
      if (count < 3) timer.set(5);
    });
    timer.set(5);
    expect(count).toBe(0);
    clock.advance(0);
    expect(count).toBe(3);
  });

  test("never wakes at Infinity or when it is cancelled, and holds no timer then", () => {
    const clock = new VirtualClock();
    const { timer, wokenAtMs } = watched(clock);
    for (const stop of [() => timer.set(Infinity), () => timer.cancel()]) {
      timer.set(100);
      stop();
      expect(clock.pendingCount).toBe(0);
    }
    clock.advance(1000);
    expect(wokenAtMs).toEqual([]);
  });

  test("says how late it is", () => {
    const clock = new VirtualClock();
    const slow: Clock = {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs + 30, callback),
    };
    const lateMs: number[] = [];
    const timer = new WakeTimer(slow, (ms) => lateMs.push(ms));
    timer.set(100);
    clock.advance(1000);
    expect(lateMs).toEqual([30]);
  });
});
