import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { columns, displayWidth, padEnd, printable, printableText } from "./columns.ts";

describe("width on the terminal", () => {
  test.each([
    ["abc", 3],
    ["节点", 4],
    ["かな한글", 8],
    ["ａ（", 4],
    ["é", 1],
    ["\u001B[1mbold\u001B[0m", 4],
    ["🙂", 2],
  ])("of %j is %i", (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  test("is what padding fills up to", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (text, width) => {
        expect(displayWidth(padEnd(text, width))).toBe(Math.max(width, displayWidth(text)));
      }),
    );
  });
});

test("columns align in mixed scripts, and the last one is not padded", () => {
  const table = columns([
    ["名称", "WHERE", "x"],
    ["amber-fox", "本机", "y"],
  ]);
  expect(table).toBe("名称       WHERE  x\namber-fox  本机   y");
});

test("what came from elsewhere cannot move the cursor, forge lines or turn text around", () => {
  expect(printable("evil\u001B[2J\u0007\u202Egnp.exe\nline")).toBe("evil�[2J��gnp.exe line");
  expect(printableText("two\nlines\u001B[2J")).toBe("two\nlines�[2J");
  expect(printable("智能体 🙂")).toBe("智能体 🙂");
});
