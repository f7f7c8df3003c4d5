import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseParameters } from "./parameters.ts";

describe("parseParameters", () => {
  test.each([
    ["(a, b) => a + b", ["a", "b"]],
    ["a => a", ["a"]],
    ["async value => value", ["value"]],
    ["async (a) => a", ["a"]],
    ["() => 1", []],
    ["function add(a, b) { return a + b; }", ["a", "b"]],
    ["function (a) {}", ["a"]],
    ["async function named(a) {}", ["a"]],
    ["function* gen(n) { yield n; }", ["n"]],
    ["async function*gen(n) {}", ["n"]],
    ["method(a, b) { return 1; }", ["a", "b"]],
    ["async *method(a) {}", ["a"]],
    ["async(a) => a", ["a"]],
    ["(a, b = 2) => a", ["a", "b?"]],
    ["(a = f(1, 2), b = [1, 2], c = { x: 1, y: 2 }) => a", ["a?", "b?", "c?"]],
    ['(a = "),(", b = `,${1},`, c) => a', ["a?", "b?", "c"]],
    ["(a /* , x */, b // , y\n) => a", ["a", "b"]],
    ["(a         , b         )         => a + b", ["a", "b"]],
    ["(a, b,) => a", ["a", "b"]],
    ["(数, $x, _y) => 数", ["数", "$x", "_y"]],
    ["(a, b = (c, d) => c + d) => a", ["a", "b?"]],
  ])("reads %s", (source, names) => {
    const parameters = parseParameters(source);
    expect(parameters?.map(({ name, optional }) => (optional ? `${name}?` : name))).toEqual(names);
  });

  test.each([
    "(...rest) => rest",
    "(a, ...rest) => rest",
    "({ a, b }) => a",
    "([a]) => a",
    "({ a } = {}) => a",
    "function () { [native code] }",
    "function max() { [native code] }",
    "class A { constructor(a) {} }",
    '["computed name"](a) {}',
    "(a, b",
    "",
    '(a = "unclosed) => a',
  ])("takes %s as positional only", (source) => {
    expect(parseParameters(source)).toBeUndefined();
  });

  test("real functions of this runtime, native ones included", () => {
    expect(parseParameters(String((left: number, right = 1) => left + right))).toHaveLength(2);
    expect(parseParameters(Math.max.toString())).toBeUndefined();
  });

  test("property: names written are names read, whatever their defaults", () => {
    const name = fc
      .stringMatching(/^[a-z_$][a-zA-Z0-9_$]{0,8}$/)
      .filter((text) => !["async", "function"].includes(text));
    const fallback = fc.constantFrom("1", '"x,)"', "[1, (2)]", "{ a: [1, 2] }", "f(a, b)", "`t,`");
    const parameter = fc.record({ name, fallback: fc.option(fallback) });
    fc.assert(
      fc.property(fc.uniqueArray(parameter, { selector: (each) => each.name }), (parameters) => {
        const list = parameters.map((each) => (each.fallback === null ? each.name : `${each.name} = ${each.fallback}`));
        const expected = parameters.map((each) => ({ name: each.name, optional: each.fallback !== null }));
        for (const source of [`(${list.join(", ")}) => 0`, `function f(${list.join(",")}) { return 0; }`]) {
          expect(parseParameters(source)).toEqual(expected);
        }
      }),
    );
  });

  test("property: no source text makes it throw or hang", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from("(){}[],=>*'\"`/\\ab \n")), maxLength: 60 }),
        (source) => {
          const parameters = parseParameters(source);
          expect(parameters === undefined || Array.isArray(parameters)).toBe(true);
        },
      ),
    );
  });
});
