import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { PRIORITIES, priorityFrom, priorityRank } from "./priority.ts";

describe("a priority", () => {
  verifies("model:task:priority");

  test("is one of four words, 0 to 3 on the wire, most urgent first", () => {
    expect(PRIORITIES.map((priority) => [priorityRank(priority), priority])).toEqual([
      [0, "critical"],
      [1, "high"],
      [2, "normal"],
      [3, "low"],
    ]);
  });

  test.each([
    [10, "critical"],
    [9, "critical"],
    [8, "high"],
    [7, "high"],
    [6, "normal"],
    [5, "normal"],
    [4, "normal"],
    [3, "low"],
    [1, "low"],
    [0, "low"],
    [6.5, "normal"],
    ["emergency", "critical"],
    ["EMERGENCY", "critical"],
    ["critical", "critical"],
    ["high", "high"],
    ["normal", "normal"],
    ["low", "low"],
    [" High ", "high"],
    ["10", "critical"],
    ["5", "normal"],
  ])("is read from %j as %s", (value, priority) => {
    expect(priorityFrom(value)).toBe(priority);
  });

  test.each([-1, 11, Number.NaN, Number.POSITIVE_INFINITY, "", "urgent", "11", "-1", "0x5", "1e1", "__proto__"])(
    "is not read from %j",
    (value) => {
      expect(priorityFrom(value)).toBeUndefined();
    },
  );
});
