import { expect, test } from "vitest";
import { z } from "zod";
import { checkSchema } from "./check-schema.ts";

const short = z.string().max(3);
/** Its length is an object that cannot become a number. */
const hostile = { length: { valueOf: 1, toString: 1 } };

test("a value whose length cannot be compared is refused, although the schema itself would throw", () => {
  expect(() => short.safeParse(hostile)).toThrow(TypeError);
  expect(checkSchema(short, hostile).success).toBe(false);
  expect(checkSchema(z.object({ name: short }), { name: hostile }).success).toBe(false);
});

test("anything else is as the schema says", () => {
  expect(checkSchema(short, "abc")).toEqual({ success: true, data: "abc" });
  expect(checkSchema(short, "abcd").success).toBe(false);
});
