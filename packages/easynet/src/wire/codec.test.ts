import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codePoint } from "../../../../test/arbitraries/any-text.ts";
import { type EasynetError, isEasynetError } from "../kernel/index.ts";
import { decodeValue, encodeValue } from "./codec.ts";
import { VALUE_DEPTH_MAX } from "./limits.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

function failure(run: () => unknown): EasynetError | undefined {
  try {
    run();
  } catch (error) {
    if (isEasynetError(error)) return error;
    throw error;
  }
  return undefined;
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let count = 0; count < depth; count++) value = count % 2 === 0 ? [value] : { inner: value };
  return value;
}

describe("values", () => {
  const value = fc.anything({
    withDate: true,
    withBigInt: true,
    withTypedArray: true,
    maxDepth: 6,
    values: [
      fc.boolean(),
      fc.integer(),
      fc.maxSafeInteger(),
      // -0 travels as 0: no other language would tell them apart.
      fc.double().map((number) => number || Math.abs(number)),
      fc.string({ unit: codePoint }),
      fc.constantFrom(null, undefined),
    ],
    key: fc.string().filter((key) => key !== "__proto__"),
  });

  test("come back as they were", () => {
    fc.assert(
      fc.property(value, (original) => {
        expect(decodeValue(encodeValue(original))).toEqual(original);
      }),
    );
  });

  test("come back with their types", () => {
    const original = {
      binary: Uint8Array.of(1, 2),
      vector: Float32Array.of(0.5, -1),
      large: BigInt64Array.of(-5n),
      when: new Date(1_700_000_000_123),
      big: 2n ** 80n,
      negative: -(2n ** 70n),
      nothing: undefined,
      nil: null,
    };
    expect(decodeValue(encodeValue(original))).toStrictEqual(original);
  });

  test("that JSON does not know have a stated form: Map a map, Set an array, function undefined", () => {
    expect(decodeValue(encodeValue(new Map([["a", 1]])))).toEqual({ a: 1 });
    expect(decodeValue(encodeValue(new Set([1, 2])))).toEqual([1, 2]);
    expect(decodeValue(encodeValue([() => 1]))).toEqual([undefined]);
    expect(decodeValue(encodeValue(new URL("https://example.org/")))).toBe("https://example.org/");
  });

  test("do not refer to the bytes they came in, and binary is a plain Uint8Array", () => {
    const bytes = Buffer.from(encodeValue([Uint8Array.of(1, 2, 3), Float32Array.of(1), "text"]));
    const decoded = decodeValue(bytes);
    bytes.fill(0xee);
    expect(decoded).toStrictEqual([Uint8Array.of(1, 2, 3), Float32Array.of(1), "text"]);
  });

  test("may be nested 64 deep and not deeper, in both directions", () => {
    const deepest = nested(VALUE_DEPTH_MAX);
    expect(decodeValue(encodeValue(deepest))).toEqual(deepest);
    expect(failure(() => encodeValue(nested(VALUE_DEPTH_MAX + 1)))?.code).toBe("FRAME_TOO_DEEP");
    expect(failure(() => decodeValue(new Uint8Array(VALUE_DEPTH_MAX + 2).fill(0x91)))?.code).toBe("FRAME_TOO_DEEP");
    expect(failure(() => decodeValue(new Uint8Array(1024 * 1024).fill(0x91)))?.code).toBe("FRAME_TOO_DEEP");
  });

  test("without a form on the wire are refused with their reason, also cycles", () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(failure(() => encodeValue(cycle))?.code).toBe("FRAME_TOO_DEEP");
    expect(failure(() => encodeValue({ here: Symbol("x") }))?.code).toBe("INVALID_ARGUMENT");
    expect(decodeValue(encodeValue("still works"))).toBe("still works");
  });

  test("with a key __proto__ do not reach any prototype", () => {
    const evil: unknown = JSON.parse('{"__proto__":{"admin":true},"constructor":1}');
    const decoded = decodeValue(encodeValue(evil));
    expect(decoded).toEqual({ __proto_: { admin: true }, constructor: 1 });
    // As a string of 8-bit length too, which is read on another path.
    const long = hex(`81d909${Buffer.from("__proto__").toString("hex")}81a561646d696ec3`);
    expect(Object.getPrototypeOf(decodeValue(long))).toBe(Object.prototype);
    expect(Object.hasOwn(Object.prototype, "admin")).toBe(false);
  });
});

describe("bad values", () => {
  test.for([
    { name: "nothing", bytes: "" },
    { name: "bytes after the value", bytes: "0101" },
    { name: "the reserved token", bytes: "c1" },
    { name: "an array of 2^32-1 elements", bytes: "ddffffffff" },
    { name: "a map of 2^32-1 entries", bytes: "dfffffffff" },
    { name: "many short arrays that each claim the rest", bytes: "94dc0003dc0003dc0003c0" },
    { name: "a string longer than what is there", bytes: "dbffffffff61" },
    { name: "binary longer than what is there", bytes: "c6ffffffff00" },
    { name: "an extension longer than what is there", bytes: "c9ffffffff74" },
    { name: "a record definition", bytes: "d4724091a16101" },
    { name: "a regular expression", bytes: "d4780092a161a0" },
    { name: "an error object", bytes: "d4650093a54572726f72a178c0" },
    { name: "a pointer of a structured clone", bytes: "d67000000001" },
    { name: "bundled strings", bytes: "d66200000006a0a0c1" },
    { name: "an unknown extension", bytes: "d40100" },
    { name: "a typed array of no known type", bytes: "d57463ff" },
    { name: "a typed array with half an element", bytes: "c7047407000000" },
    { name: "a map whose key is an array", bytes: "81910101" },
  ])("$name is refused", ({ bytes }) => {
    expect(failure(() => decodeValue(hex(bytes)))?.code).toBe("FRAME_MALFORMED");
  });

  test("every proper prefix of a value is refused", () => {
    const value = fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, maxDepth: 3 });
    fc.assert(
      fc.property(value, fc.double({ min: 0, max: 0.999, noNaN: true }), (original, ratio) => {
        const bytes = encodeValue(original);
        const prefix = bytes.subarray(0, Math.floor(bytes.length * ratio));
        expect(failure(() => decodeValue(prefix))?.code).toBe("FRAME_MALFORMED");
      }),
    );
  });

  test("arbitrary bytes give a value or a code, and nothing of them in the message", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const code = failure(() => decodeValue(bytes))?.code;
        expect([undefined, "FRAME_MALFORMED", "FRAME_TOO_DEEP"]).toContain(code);
      }),
    );
    const secret = encodeValue(["secret-words", "more"]);
    for (let cut = 0; cut < secret.length; cut++) {
      const error = failure(() => decodeValue(Buffer.concat([secret.subarray(0, cut), secret])));
      expect(JSON.stringify(error) + String(error?.cause)).not.toContain("secret");
    }
  });
});
