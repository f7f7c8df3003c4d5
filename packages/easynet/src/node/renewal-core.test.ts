import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isBetter, isDue, isWanting, type RenewalRule, type Standing } from "./renewal-core.ts";

const DAY_MS = 86_400_000;
const rule: RenewalRule = { nowMs: 0, lifetimeMs: (mayInvite) => (mayInvite ? 3650 : 30) * DAY_MS };
const standing = (days: number, delegationsCount = 1, mayInvite = false): Standing => ({
  expiresAtMs: days * DAY_MS,
  delegationsCount,
  mayInvite,
});
const anyStanding = fc
  .tuple(fc.integer({ min: 0, max: 3650 }), fc.integer({ min: 1, max: 8 }), fc.boolean())
  .map(([days, count, right]) => standing(days, count, right));

test("a third of a life after it began, a membership is due", () => {
  expect([30, 21, 20, 1].map((days) => isDue(standing(days), rule))).toEqual([false, false, true, true]);
  expect(isDue(standing(3000, 1, true), rule)).toBe(false);
  expect(isDue(standing(2000, 1, true), rule)).toBe(true);
});

test("who was let in by another member goes on asking; who was let in by the root key asks when it is due", () => {
  expect(isWanting(standing(30), rule)).toBe(false);
  expect(isWanting(standing(30, 2), rule)).toBe(true);
  expect(isWanting(standing(15), rule)).toBe(true);
});

test("one that is due takes a longer life, also through more hands; one that is not takes fewer hands", () => {
  expect(isBetter(standing(30, 4), standing(5, 1), rule)).toBe(true);
  expect(isBetter(standing(4, 1), standing(5, 3), rule)).toBe(false);
  expect(isBetter(standing(29, 1), standing(30, 2), rule)).toBe(true);
  expect(isBetter(standing(30, 2), standing(25, 2), rule)).toBe(false);
  expect(isBetter(standing(10, 1), standing(30, 2), rule)).toBe(false);
});

test("what is better is never better in turn, so that no two members renew for ever; no right is lost", () => {
  fc.assert(
    fc.property(anyStanding, anyStanding, (one, other) => {
      expect(isBetter(one, other, rule) && isBetter(other, one, rule)).toBe(false);
      expect(isBetter(one, other, rule) && other.mayInvite && !one.mayInvite).toBe(false);
      expect(isBetter(one, one, rule)).toBe(false);
    }),
  );
});
