import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isJsonObject, jsonProblem } from "./json-limits.ts";

const limits = { depthMax: 4, lengthMax: 1000 };

describe("a value from elsewhere", () => {
  test("is plain JSON whenever a parser made it, within its limits", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
        fc.pre(!JSON.stringify(value).includes("__proto__"));
        expect(jsonProblem(JSON.parse(JSON.stringify(value)), { depthMax: 10, lengthMax: 1e6 })).toBeUndefined();
      }),
    );
  });

  test("is never counted longer than its text", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(!JSON.stringify(value).includes("__proto__"));
        const lengthMax = JSON.stringify(value).length;
        expect(jsonProblem(value, { depthMax: 100, lengthMax })).toBeUndefined();
      }),
    );
  });

  test.each([
    ["undefined", undefined, "type undefined"],
    ["a hole", Array(1), "type undefined"],
    ["a bigint", 1n, "type bigint"],
    ["a function", () => 1, "type function"],
    ["NaN", Number.NaN, "the number NaN"],
    ["a lone surrogate", "\ud800", "lone surrogate"],
    ["a key with a lone surrogate", { "\udc00": 1 }, "lone surrogate"],
    ["bytes", new Uint8Array(1), "JSON does not know"],
    ["a date", new Date(0), "JSON does not know"],
    ["a map", new Map(), "JSON does not know"],
    ["a list with a named property", Object.assign([1], { a: 1 }), "named properties"],
    ["a key __proto__", JSON.parse('{"__proto__":1}'), "__proto__"],
    ["long text", "x".repeat(999), "1000 characters"],
    ["many values", Array.from({ length: 1000 }, () => 0), "1000 characters"],
    ["long keys", { ["k".repeat(998)]: 1 }, "1000 characters"],
  ])("that holds %s is named", (_what, value, problem) => {
    expect(jsonProblem(value, limits)).toContain(problem);
    expect(jsonProblem({ a: value }, limits)).toContain(problem);
  });

  test("may nest to its limit, and a cycle ends there", () => {
    expect(jsonProblem([[[[]]]], limits)).toBeUndefined();
    expect(jsonProblem([[[[[]]]]], limits)).toBe("more than 4 levels");
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(jsonProblem(cycle, limits)).toBe("more than 4 levels");
  });

  test("is an object only if it is a plain one", () => {
    expect([{}, Object.create(null)].every(isJsonObject)).toBe(true);
    expect([null, [], "a", 1, new Map(), new Uint8Array(1), undefined].some(isJsonObject)).toBe(false);
  });
});
