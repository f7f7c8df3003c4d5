import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBase58, encodeBase58 } from "./base58.ts";

describe("base58btc", () => {
  // draft-msporny-base58-03, section 5.
  test.each([
    ["48656c6c6f20576f726c6421", "2NEpo7TZRRrLZSi2U"],
    [
      "54686520717569636b2062726f776e20666f78206a756d7073206f76657220746865206c617a7920646f672e",
      "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
    ],
    ["0000287fb4cd", "11233QC4"],
    ["", ""],
    ["00", "1"],
    ["0000", "11"],
    ["ff", "5Q"],
    ["0001", "12"],
  ])("encodes %s as %s and back", (hex, text) => {
    expect(encodeBase58(Buffer.from(hex, "hex"))).toBe(text);
    expect(Buffer.from(decodeBase58(text)!).toString("hex")).toBe(hex);
  });

  test("gives every byte string one text that decodes to it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(decodeBase58(encodeBase58(bytes))).toEqual(Uint8Array.from(bytes));
      }),
    );
  });

  test.each(["0", "O", "I", "l", "1 1", "a+b", "é", "𝟏"])("refuses %j, which is not of its alphabet", (text) => {
    expect(decodeBase58(text)).toBeUndefined();
  });
});
