import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEasynetError } from "../kernel/index.ts";
import { encodeValue } from "../wire/index.ts";
import { decodePunchEnd, decodeSeenHost, encodePunchEnd, encodeSeenHost } from "./punch-frames.ts";

describe("punch frames", () => {
  test("an end and a seen host are read as they were written", () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (at, port) => {
        expect(decodePunchEnd(encodePunchEnd({ host: at, port }))).toEqual({ host: at, port });
        expect(decodeSeenHost(encodeSeenHost(at))).toBe(at);
      }),
    );
  });

  test.for([["host.example", 1], ["1.2.3.4", 0], ["1.2.3.4", 65_536], ["1.2.3.4", 1.5], ["1.2.3.4"], [7, 7], []])(
    "an end of %j is refused",
    (fields) => {
      expect(() => decodePunchEnd(encodeValue(fields))).toThrow(expect.objectContaining({ code: "FRAME_MALFORMED" }));
    },
  );

  test("whatever else comes is refused with a code", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        for (const decode of [decodePunchEnd, decodeSeenHost]) {
          let outcome: unknown = "read";
          try {
            decode(bytes);
          } catch (error) {
            outcome = isEasynetError(error) ? "refused" : error;
          }
          expect(["read", "refused"]).toContain(outcome);
        }
      }),
    );
  });
});
