import { expect, test } from "vitest";
import { z } from "zod";
import { explainIssues } from "./explain-issues.ts";
import { nearestWord } from "./nearest-word.ts";

test.each([
  ["tiemoutMs", "timeoutMs"],
  ["ARGS", "args"],
  ["capabilty", "capability"],
  ["banana", undefined],
  ["x".repeat(1_000), undefined],
])("the word nearest to %j is %j", (word, nearest) => {
  expect(nearestWord(word, ["capability", "args", "timeoutMs"])).toBe(nearest);
});

const schema = z.strictObject({
  name: z.string().min(1),
  budget: z.strictObject({ tokens: z.number().optional() }).optional(),
  steps: z.array(z.strictObject({ kind: z.string() })).optional(),
});
const reason = (value: unknown): string => {
  const { error } = schema.safeParse(value);
  return error ? explainIssues(error, schema) : "fits";
};

test.each([
  [{ name: "a" }, "fits"],
  [{ name: "a", nmae: 1 }, "there is no field nmae; did you mean name?"],
  [{ name: "a", zzzzzz: 1 }, "there is no field zzzzzz"],
  [{ name: "a", budget: { token: 1 } }, "there is no field budget.token; did you mean tokens?"],
  [{ name: "a", steps: [{ kind: "x", kidn: 1 }] }, "there is no field steps.0.kidn; did you mean kind?"],
  [{ name: "a", ["y".repeat(500)]: 1 }, `there is no field ${"y".repeat(80)}…`],
])("%j: %s", (value, expected) => {
  expect(reason(value)).toBe(expected);
});

test("a value that does not fit is named by its place", () => {
  expect(reason({ name: "" })).toMatch(/^name: /);
  expect(reason([])).not.toContain(":  ");
});
