import * as fc from "fast-check";

/**
 * Any code point but the halves of surrogate pairs, for `fc.string({ unit })`. The unit "binary" of fast-check has the
 * same ones, and takes 0.7 s to set up in every process that draws from it.
 */
export const codePoint: fc.Arbitrary<string> = fc
  .oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((point) => String.fromCodePoint(point));
