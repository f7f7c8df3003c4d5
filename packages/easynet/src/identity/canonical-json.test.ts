import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CANONICAL_DEPTH_MAX, canonicalJson } from "./canonical-json.ts";

describe("canonical JSON", () => {
  // RFC 8785 section 3.2.2 and 3.2.3 and appendix B.
  test("is that of the RFC's example", () => {
    const value: unknown = JSON.parse(
      String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"€$\u000F\u000aA'B\u0022\u005c\\\"\/","literals":[null,true,false]}`,
    );
    expect(canonicalJson(value)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  test("sorts keys by UTF-16 code units, numeric ones too", () => {
    const value = {
      "\u20ac": 1,
      "\r": 2,
      "\ufb33": 3,
      "1": 4,
      "\ud83d\ude00": 5,
      "\u0080": 6,
      "\u00f6": 7,
      "10": 8,
      "9": 9,
    };
    expect(canonicalJson(value)).toBe(
      `{"\\r":2,"1":4,"10":8,"9":9,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}`,
    );
  });

  test("parses back to the same value, and is a fixed point", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(JSON.parse(text))).toBe(text);
      }),
    );
  });

  test("does not depend on the order in which keys were set", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).toReversed());
        expect(canonicalJson(turned)).toBe(canonicalJson(value));
      }),
    );
  });

  test("distinguishes values that differ", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (left, right) => {
        expect(canonicalJson(left) === canonicalJson(right)).toBe(
          JSON.stringify(sorted(left)) === JSON.stringify(sorted(right)),
        );
      }),
    );
  });

  test.each([
    ["NaN", Number.NaN, "the number NaN"],
    ["infinity", Number.NEGATIVE_INFINITY, "the number -Infinity"],
    ["undefined", undefined, "type undefined"],
    ["a property that is undefined", { a: undefined }, "type undefined"],
    ["a hole in a list", Array(2), "type undefined"],
    ["a bigint", 1n, "type bigint"],
    ["a function", () => 1, "type function"],
    ["a symbol", Symbol("a"), "type symbol"],
    ["a lone surrogate", "a\ud800", "lone surrogate"],
    ["a key with a lone surrogate", { "\udc00": 1 }, "lone surrogate"],
    ["bytes", new Uint8Array(2), "class Uint8Array"],
    ["a map", new Map(), "class Map"],
    ["an object with toJSON", new URL("https://a.example"), "class URL"],
  ])("refuses %s", (_what, value, reason) => {
    for (const place of [value, [value], { a: { b: value } }]) {
      expect(() => canonicalJson(place)).toThrow(
        expect.objectContaining({
          code: "INVALID_ARGUMENT",
          details: { subject: "A value to sign", reason: expect.stringContaining(reason) },
        }),
      );
    }
  });

  test(`takes ${CANONICAL_DEPTH_MAX} levels and refuses more, cycles too`, () => {
    expect(canonicalJson(nested(CANONICAL_DEPTH_MAX))).toHaveLength(2 * CANONICAL_DEPTH_MAX);
    expect(() => canonicalJson(nested(CANONICAL_DEPTH_MAX + 1))).toThrow(/levels/);
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(() => canonicalJson(cycle)).toThrow(/levels/);
  });
});

function nested(levels: number): unknown {
  let value: unknown[] = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
}

/** The same value as lists only, keys in order: an independent notion of "the same JSON". */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return ["list", ...value.map(sorted)];
  if (typeof value !== "object" || value === null) return value;
  return [
    "object",
    ...Object.keys(value)
      .sort()
      .map((key) => [key, sorted(Reflect.get(value, key))]),
  ];
}
