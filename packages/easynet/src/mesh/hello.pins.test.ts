import { describe, expect, test } from "vitest";
import vectors from "../../../../docs/protocol/vectors/links.json" with { type: "json" };
import { EasynetError } from "../kernel/index.ts";
import {
  decodeCredit,
  decodeGoodbye,
  decodeHello,
  decodeWelcome,
  encodeCredit,
  encodeGoodbye,
  encodeHello,
  encodeWelcome,
} from "./hello.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("bodies of control frames", () => {
  test("hello", () => {
    const value = { ...vectors.hello.value, membership: bytesOf(vectors.hello.value.membership) };
    expect(hexOf(encodeHello(value))).toBe(vectors.hello.hex);
    expect(decodeHello(bytesOf(vectors.hello.hex))).toEqual(value);
  });

  test("welcome", () => {
    expect(hexOf(encodeWelcome(vectors.welcome.version))).toBe(vectors.welcome.hex);
    expect(decodeWelcome(bytesOf(vectors.welcome.hex))).toBe(vectors.welcome.version);
  });

  test("credit", () => {
    const { lane, bytes, hex } = vectors.credit;
    expect(hexOf(encodeCredit(lane, bytes))).toBe(hex);
    expect(decodeCredit(bytesOf(hex))).toEqual({ lane, bytes });
  });

  test("goodbye: a known code comes back under our own sentence", () => {
    const { value, hex } = vectors.goodbye;
    const error = new EasynetError("NETWORK_MISMATCH", value.details);
    expect(hexOf(encodeGoodbye(error))).toBe(hex);
    const read = decodeGoodbye(bytesOf(hex), "the peer");
    expect(read.toJSON()).toEqual({ ...value, details: { ...value.details, peerId: "the peer" } });
  });
});
