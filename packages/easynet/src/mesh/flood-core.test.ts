import { expect, test } from "vitest";
import { FloodLimit } from "./flood-core.ts";

test("a burst is allowed, then the rate; unused time adds up to one burst and no more", () => {
  const limit = new FloodLimit({ burst: 10, perSecond: 100, nowMs: 0 });
  const takeUntilEmpty = (nowMs: number): number => {
    let count = 0;
    while (count < 1000 && limit.take(nowMs)) count++;
    return count;
  };
  expect(takeUntilEmpty(0)).toBe(10);
  expect(takeUntilEmpty(50)).toBe(5);
  expect(takeUntilEmpty(60_000)).toBe(10);
});
