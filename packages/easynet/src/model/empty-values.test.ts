import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tries } from "../../../../test/quick.ts";
import { putEmptyValues, takeEmptyValues } from "./empty-values.ts";

const value = fc.jsonValue({ maxDepth: 4 }).filter((json) => !JSON.stringify(json).includes("__proto__"));

describe("empty values", () => {
  test("are taken out whole and put back where they were", () => {
    fc.assert(
      fc.property(value, (content) => {
        const document = { content: structuredClone(content), other: 1 };
        const taken: string[] = [];
        const kept = takeEmptyValues(document, "", taken);
        expect(JSON.stringify(kept)).not.toMatch(/[:[,](""|null|\[\]|\{\})[,}\]]/);
        expect(putEmptyValues(kept, taken)).toBe(true);
        expect(kept).toEqual(document);
      }),
      tries(1000),
    );
  });

  test("are the same for documents that differ in the order of keys only", () => {
    const [left, right]: string[][] = [[], []];
    takeEmptyValues({ b: "", a: [], c: { y: null, x: {} } }, "", left!);
    takeEmptyValues({ c: { x: {}, y: null }, a: [], b: "" }, "", right!);
    expect(left).toEqual(["{} ", "[] /a", '"" /b', "{} /c", "{} /c/x", "null /c/y"]);
    expect(right).toEqual(left);
  });

  test("leave numbers and false alone", () => {
    const taken: string[] = [];
    expect(takeEmptyValues({ a: 0, b: false, c: [0] }, "", taken)).toEqual({ a: 0, b: false, c: [0] });
    expect(taken).toEqual([]);
  });

  test.each([
    "",
    " ",
    "[]",
    "[] a",
    "[] ",
    "7 /a",
    "[] /a/b/c",
    '"" /list/9',
    '"" /list/-',
    '"" /list/x',
    "{} /__proto__",
    "{} /constructor/x",
  ])("that say %j do not fit and change nothing", (entry) => {
    const document = { a: 1, list: [1] };
    expect(putEmptyValues(document, [entry])).toBe(false);
    expect(document).toEqual({ a: 1, list: [1] });
  });
});
