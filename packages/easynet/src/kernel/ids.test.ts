import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createId } from "./ids.ts";

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("createId", () => {
  test("makes a UUIDv7 of any time that 48 bits hold, fractions cut off", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2 ** 48 - 1, noNaN: true }), (nowMs) => {
        const id = createId(nowMs);
        expect(id).toMatch(UUID_V7);
        expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(Math.floor(nowMs));
      }),
    );
  });

  test("sorts by time as text", () => {
    const times = fc.tuple(fc.integer({ min: 0, max: 2 ** 47 }), fc.integer({ min: 1, max: 2 ** 47 }));
    fc.assert(
      fc.property(times, ([nowMs, laterByMs]) => {
        expect(createId(nowMs) < createId(nowMs + laterByMs)).toBe(true);
      }),
    );
  });

  test("never repeats within a millisecond, over many refills of its pool", () => {
    const ids = new Set(Array.from({ length: 20_000 }, () => createId(1_700_000_000_000)));
    expect(ids.size).toBe(20_000);
  });

  test("spreads its random bits: every hexadecimal digit occurs in every random place", () => {
    const ids = Array.from({ length: 2000 }, () => createId(0));
    const places = [15, 16, 17, 20, 21, 22, ...Array.from({ length: 12 }, (_, index) => 24 + index)];
    const counts = places.map((place) => new Set(ids.map((id) => id.charAt(place))).size);
    expect(counts).toEqual(places.map(() => 16));
  });
});
