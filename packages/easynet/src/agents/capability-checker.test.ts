import { describe, expect, test } from "vitest";
import { isEasynetError } from "../kernel/index.ts";
import type { Capability, TaskInput } from "../model/index.ts";
import { fakeCapability } from "../testing/fake-agent.ts";
import { CapabilityChecker } from "./capability-checker.ts";

const schema = {
  type: "object",
  properties: { a: { type: "number" }, b: { type: "string", enum: ["x", "y"] }, deep: { $ref: "#/$defs/deep" } },
  required: ["a"],
  additionalProperties: false,
  $defs: { deep: { type: "object", properties: { n: { type: "integer" } } } },
};
const named = fakeCapability("named", { parameters: ["a", "b", "deep"], inputSchema: schema });

function reasonOf(capability: Capability, input: Partial<TaskInput>): unknown {
  try {
    return new CapabilityChecker(capability).bindInput({ args: [], kwargs: {}, ...input });
  } catch (error) {
    return isEasynetError(error, "INPUT_INVALID") ? String(error.details["reason"]) : error;
  }
}

describe("CapabilityChecker", () => {
  test("binds by position, by name, and both", () => {
    expect(reasonOf(named, { args: [1, "x"] })).toEqual({ a: 1, b: "x" });
    expect(reasonOf(named, { kwargs: { b: "y", a: 2 } })).toEqual({ a: 2, b: "y" });
    expect(reasonOf(named, { args: [1], kwargs: { deep: { n: 1 } } })).toEqual({ a: 1, deep: { n: 1 } });
    expect(reasonOf(named, { args: [1, undefined], kwargs: {} })).toEqual({ a: 1 });
  });

  test.each([
    [{ args: [1, "x", {}, 4] }, "it takes 3 positional arguments, 4 were given"],
    [{ args: [1], kwargs: { c: 1 } }, 'it has no parameter "c"'],
    [{ args: [1], kwargs: { a: 1 } }, "a is given by position and by name"],
    [{ kwargs: { b: "x" } }, "must have required property 'a'"],
    [{ args: ["secret"] }, "a must be number"],
    [{ args: [1, "secret"] }, "b must be equal to one of the allowed values"],
    [{ args: [1], kwargs: { deep: { n: 1.5 } } }, "deep.n must be integer"],
    [{ args: [1], kwargs: { toString: 1 } }, 'it has no parameter "toString"'],
  ])("refuses %j", (input, reason) => {
    expect(reasonOf(named, input)).toBe(reason);
  });

  test("without names, arguments stand under `args` and names beside them", () => {
    const rest = fakeCapability("rest", { inputSchema: { type: "object" } });
    expect(reasonOf(rest, { args: [1, 2] })).toEqual({ args: [1, 2] });
    expect(reasonOf(rest, { kwargs: { a: 1 } })).toEqual({ args: [], a: 1 });
    expect(reasonOf(rest, { kwargs: { args: 1 } })).toBe("args is given by position and by name");
  });

  test("an input's own __proto__ key reaches no prototype", () => {
    const kwargs: Record<string, unknown> = JSON.parse('{"a": 1, "__proto__": {"polluted": true}}');
    expect(reasonOf(named, { kwargs })).toBe('it has no parameter "__proto__"');
    expect(() => new CapabilityChecker(fakeCapability("p", { parameters: ["__proto__"] }))).toThrow("cannot be a name");
  });

  test("says where the output does not fit, never what it was", () => {
    const outputSchema = { type: "array", items: { type: "number" } };
    const checker = new CapabilityChecker(fakeCapability("numbers", { outputSchema }));
    expect(() => checker.checkOutput([1, 2])).not.toThrow();
    expect(() => checker.checkOutput([1, "secret"])).toThrow("numbers returned a value that does not fit");
    expect(() => checker.checkOutput([1, "secret"])).not.toThrow("secret");
  });

  test("refuses schemas that are not JSON Schema, or that would count as valid whatever comes", () => {
    const check = (inputSchema: Capability["inputSchema"]) => () =>
      new CapabilityChecker(fakeCapability("bad", { inputSchema }));
    expect(check({ type: "nonsense" })).toThrow("The input schema of bad is not valid");
    expect(check({ $ref: "https://example.org/elsewhere.json" })).toThrow("The input schema of bad is not valid");
    expect(check({ $async: true, type: "object" })).toThrow("$async");
  });

  test("two registrations may carry the same $id", () => {
    const inputSchema = { $id: "https://example.org/add", type: "object" };
    for (let round = 0; round < 3; round++) {
      const capability = fakeCapability("again", { inputSchema: { ...inputSchema } });
      expect(new CapabilityChecker(capability).bindInput({ args: [], kwargs: {} })).toEqual({ args: [] });
    }
  });
});
