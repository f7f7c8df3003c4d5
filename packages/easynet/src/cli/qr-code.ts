/** Modules of light around a code (ISO/IEC 18004 wants 4). */
const BORDER_COUNT = 4;

/**
 * A QR code (ISO/IEC 18004) for a terminal, two rows of modules in a line. Light modules are drawn, dark ones are left
 * out: as on paper where the terminal is dark, inverted where it is light, which readers take as well.
 */
export async function qrLines(text: string): Promise<readonly string[]> {
  // Loaded only when a code is drawn.
  const { encode } = await import("uqr");
  const { data, size } = encode(text, { border: BORDER_COUNT });
  const isLight = (row: number, column: number): boolean => data[row]?.[column] !== true;
  const lines: string[] = [];
  for (let row = 0; row < size; row += 2) {
    let line = "";
    for (let column = 0; column < size; column++) {
      const upper = isLight(row, column);
      // Below the last row there is nothing, which is light.
      line += isLight(row + 1, column) ? (upper ? "█" : "▄") : upper ? "▀" : " ";
    }
    lines.push(line);
  }
  return lines;
}
