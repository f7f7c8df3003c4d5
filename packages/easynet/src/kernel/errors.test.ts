import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERROR_TABLE } from "./error-table.ts";
import {
  assert,
  describeError,
  EasynetError,
  fromWireError,
  isEasynetError,
  isErrorCode,
  toEasynetError,
  type WireError,
} from "./errors.ts";

const CODES = Object.keys(ERROR_TABLE).filter(isErrorCode);

const plainValue = fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean());

/** What a peer may send in the place of an error: anything that JSON can carry. */
function hostile(value: unknown): WireError {
  const wire: WireError = JSON.parse(JSON.stringify(value));
  return wire;
}

describe("an error", () => {
  test("fills its sentence from the details, and knows its status", () => {
    const error = new EasynetError("FRAME_TOO_LARGE", { bytes: 70_000, bytesMax: 65_536 });
    expect(error.message).toBe(
      "A frame of 70000 bytes exceeds the limit of 65536. Send large values as results in chunks.",
    );
    expect(error).toMatchObject({ code: "FRAME_TOO_LARGE", status: "RESOURCE_EXHAUSTED", retryable: false });
    expect(describeError(error.toJSON(), "zh")).toBe("帧大小 70000 字节超过上限 65536。请分块发送大型数据。");
  });

  test("demands the details that its sentence names", () => {
    // @ts-expect-error: `bytesMax` is missing.
    const error = new EasynetError("FRAME_TOO_LARGE", { bytes: 1 });
    expect(error.message).toContain("{bytesMax}");
  });

  test("keeps its cause and the time to wait", () => {
    const cause = new Error("deep");
    const details = { subject: "The node", queued: 3 };
    expect(new EasynetError("OVERLOADED", details, { cause, retryAfterMs: 250 })).toMatchObject({
      cause,
      retryAfterMs: 250,
    });
  });

  test("comes back from the wire the same, for every code and any plain details", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CODES),
        fc.dictionary(fc.stringMatching(/^[a-z][a-zA-Z]{0,20}$/), plainValue, { maxKeys: 20 }),
        (code, details) => {
          const sent = new EasynetError(code, details);
          const received = fromWireError(hostile(sent), { peer: "did:key:z6Mk" });
          expect(received.code).toBe(code);
          expect(received.status).toBe(sent.status);
          expect(received.retryable).toBe(sent.retryable);
          expect(received.details).toEqual({ ...hostile(sent).details, peerId: "did:key:z6Mk" });
        },
      ),
    );
  });
});

describe("an error from a peer", () => {
  test("gets our sentence, whatever the peer wrote into the message", () => {
    const wire = { code: "CANCELLED", message: "<b>Pay here</b>", retryable: true, details: { subject: "The task" } };
    expect(fromWireError(wire)).toMatchObject({ message: "The task was cancelled by its caller.", retryable: false });
  });

  test("with a code of a newer version becomes INTERNAL and keeps the code in its reason", () => {
    const error = fromWireError({ code: "FUTURE_THING", message: "what it means", retryable: true, details: {} });
    expect(error.code).toBe("INTERNAL");
    expect(error.details["reason"]).toBe("FUTURE_THING: what it means");
  });

  test("never makes us throw, nor grow, whatever JSON it is made of", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(...CODES), fc.jsonValue()),
        fc.jsonValue(),
        fc.jsonValue(),
        (code, message, details) => {
          const error = fromWireError(hostile({ code, message, retryable: 1, details }));
          expect(isEasynetError(error)).toBe(true);
          expect(Object.values(error.details).every((value) => typeof value !== "object")).toBe(true);
        },
      ),
    );
  });

  test.each([
    ["an object that cannot become text", { code: "CANCELLED", details: { subject: { toString: 1 } } }],
    ["no details", { code: "CANCELLED" }],
    ["details that are null", { code: "CANCELLED", details: null }],
    ["details that are a list", { code: "CANCELLED", details: [1, 2] }],
    ["the name of something every object has", { code: "toString", message: "x", details: {} }],
    ["a code that is no text", { code: { a: 1 }, message: 7, details: { constructor: "x" } }],
    ["nothing at all", {}],
  ])("may hold %s", (_, wire) => {
    expect(isEasynetError(fromWireError(hostile(wire)))).toBe(true);
  });

  test("cannot fill our memory or change a prototype", () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, "x".repeat(10_000)]));
    const error = fromWireError(hostile({ code: "CANCELLED", message: "", details: many }));
    expect(JSON.stringify(error).length).toBeLessThan(100_000);
    const wire: WireError = JSON.parse(
      '{"code":"CANCELLED","message":"","details":{"__proto__":{"polluted":1},"subject":"x"}}',
    );
    expect(fromWireError(wire).details).toEqual({ subject: "x" });
    expect("polluted" in {}).toBe(false);
  });
});

describe("isEasynetError", () => {
  test("tells by brand and code, not by class or by shape", () => {
    const error = new EasynetError("CANCELLED", { subject: "x" });
    expect(isEasynetError(error)).toBe(true);
    expect(isEasynetError(error, "CANCELLED")).toBe(true);
    expect(isEasynetError(error, "INTERNAL")).toBe(false);
    for (const value of [
      new Error("x"),
      { code: "CANCELLED", status: "CANCELLED" },
      error.toJSON(),
      null,
      undefined,
      "CANCELLED",
    ]) {
      expect(isEasynetError(value)).toBe(false);
    }
  });
});

describe("toEasynetError", () => {
  test("returns an EasynetError itself and wraps anything else with its cause", () => {
    const error = new EasynetError("CANCELLED", { subject: "x" });
    expect(toEasynetError(error)).toBe(error);
    const cause = new TypeError("not a number");
    expect(toEasynetError(cause)).toMatchObject({
      code: "INTERNAL",
      cause,
      details: { reason: "TypeError: not a number" },
    });
  });

  test("survives whatever can be thrown", () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (thrown) => {
        expect(toEasynetError(thrown).code).toBe("INTERNAL");
      }),
    );
    expect(toEasynetError(Object.create(null)).details["reason"]).toBe("a thrown object without a text");
  });
});

describe("describeError and assert", () => {
  test("unknown codes keep their own message in every language", () => {
    const wire = { code: "FUTURE_THING", message: "as it came", retryable: false, details: {} };
    expect([describeError(wire, "en"), describeError(wire, "zh")]).toEqual(["as it came", "as it came"]);
  });

  test("a broken assumption is INTERNAL with its sentence; a kept one says nothing", () => {
    expect(() => assert(true, "never")).not.toThrow();
    expect(() => assert(0, "a count is positive")).toThrow("a count is positive");
  });
});
