import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJson, stringifyJson } from "./json-value.ts";

describe("values in JSON", () => {
  test("bytes and large integers go out as one-key objects and come back as they were", () => {
    const value = {
      bytes: new Uint8Array([0, 255]),
      buffer: Buffer.from("hi"),
      big: 2n ** 64n,
      list: [new Uint8Array(0)],
    };
    const text = stringifyJson(value);
    expect(JSON.parse(text)).toEqual({
      bytes: { $bytes: "AP8=" },
      buffer: { $bytes: "aGk=" },
      big: { $int: "18446744073709551616" },
      list: [{ $bytes: "" }],
    });
    const back = parseJson(text);
    expect(back).toEqual({ ...value, buffer: new Uint8Array(Buffer.from("hi")) });
  });

  test("any bytes survive", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(parseJson(stringifyJson([bytes]))).toEqual([bytes]);
      }),
    );
  });

  test("plain JSON values survive", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes("__proto__") && !text.includes("$"));
        expect(stringifyJson(parseJson(text))).toBe(text);
      }),
    );
  });

  test("sets, maps, dates and nothing at all have a form", () => {
    expect(stringifyJson(new Set([1, 2]))).toBe("[1,2]");
    expect(stringifyJson(new Map([["a", 1]]))).toBe('{"a":1}');
    expect(stringifyJson(new Date(0))).toBe('"1970-01-01T00:00:00.000Z"');
    expect(stringifyJson(undefined)).toBe("null");
  });

  test("an object that only looks like bytes stays an object", () => {
    expect(parseJson('{"$bytes":"AA==","more":1}')).toEqual({ $bytes: "AA==", more: 1 });
    expect(parseJson('{"$bytes":1}')).toEqual({ $bytes: 1 });
  });

  test.each([
    ["{", "it is not JSON"],
    ["", "it is not JSON"],
    ['{"a":{"__proto__":1}}', "__proto__"],
    ['{"$bytes":"*"}', "$bytes is not base64"],
    ['{"$int":"1.5"}', "$int is not a whole number"],
    ['{"$int":""}', "$int is not a whole number"],
    ["[".repeat(65) + "]".repeat(65), "deeper than 64"],
  ])("%j is refused", (text, reason) => {
    expect(() => parseJson(text)).toThrow(reason);
  });

  test("a text of a hundred thousand brackets is refused, not fatal", () => {
    expect(() => parseJson("[".repeat(100_000) + "]".repeat(100_000))).toThrow("deeper than 64");
  });
});
