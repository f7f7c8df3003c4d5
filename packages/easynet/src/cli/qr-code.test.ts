import jsQR from "jsqr";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { qrLines } from "./qr-code.ts";

const PIXELS_PER_MODULE = 4;

/** What a camera sees of the lines, read by another program's decoder. */
function photograph(lines: readonly string[], { inverted = false } = {}): string | undefined {
  const rows = lines.flatMap((line) => [
    Array.from(line, (character) => "█▀".includes(character)),
    Array.from(line, (character) => "█▄".includes(character)),
  ]);
  const [width, height] = [(rows[0]?.length ?? 0) * PIXELS_PER_MODULE, rows.length * PIXELS_PER_MODULE];
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const light = rows[Math.floor(y / PIXELS_PER_MODULE)]?.[Math.floor(x / PIXELS_PER_MODULE)] === true;
      if (light === inverted) pixels.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return jsQR.default(pixels, width, height)?.data;
}

test("what is drawn reads back with another decoder, on dark and on light terminals", async () => {
  const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ-".split("");
  const codes = fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 700 }).map((text) => text.join(""));
  await fc.assert(
    fc.asyncProperty(codes, async (code) => {
      const lines = await qrLines(code);
      expect(photograph(lines)).toBe(code);
      expect(photograph(lines, { inverted: true })).toBe(code);
    }),
    { numRuns: 10 },
  );
});

test("a changed picture does not read as the same code, so that the reading above means something", async () => {
  const lines = await qrLines("0658HRYXEG-G4Z35FXAB9");
  const broken = lines.map((line, index) => (index > 4 && index < 12 ? " ".repeat(line.length) : line));
  expect(photograph(broken)).not.toBe("0658HRYXEG-G4Z35FXAB9");
});
