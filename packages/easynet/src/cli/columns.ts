/** Columns of the terminal that a code point takes: two for East Asian wide characters and most emoji, none for marks. */
function codePointWidth(code: number): 0 | 1 | 2 {
  if (code === 0x200d || (code >= 0x300 && code <= 0x36f) || (code >= 0xfe00 && code <= 0xfe0f)) return 0;
  return WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
}

/** East_Asian_Width W and F (Unicode Standard Annex 11), in the blocks that people type. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe4f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];

/** Columns that a text takes; colour codes take none. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of withoutColor(text)) width += codePointWidth(character.codePointAt(0) ?? 0);
  return width;
}

function withoutColor(text: string): string {
  // oxlint would read a literal escape as a control character, so the pattern is built from its code.
  return text.replace(COLOR, "");
}
const COLOR = new RegExp(`${String.fromCodePoint(27)}\\[[0-9;]*m`, "g");

export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

/** Rows as aligned columns, two spaces apart, the last one unpadded. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, displayWidth(cell));
    });
  }
  return rows
    .map((row) => row.map((cell, index) => (index === row.length - 1 ? cell : padEnd(cell, widths[index] ?? 0))))
    .map((row) => row.join("  ").trimEnd())
    .join("\n");
}

/** A name or address that came from elsewhere as one line: nothing that moves the cursor, forges lines or turns text. */
export function printable(text: string): string {
  return printableText(text).replace(/[\n\t]/g, " ");
}

/** A text that came from elsewhere: its lines stay, control characters and direction overrides go. */
export function printableText(text: string): string {
  return text.replace(/[\u202a-\u202e\u2066-\u2069]|\p{Cc}/gu, (character) =>
    character === "\n" || character === "\t" ? character : "�",
  );
}
