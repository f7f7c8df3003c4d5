import { randomFillSync } from "node:crypto";

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
/** Random bytes are drawn in blocks: one system call for 256 ids, because ids are made on the call path. */
const pool = new Uint8Array(256 * 10);
let used = pool.length;

/** A UUIDv7 (RFC 9562 section 5.7): sortable by time, 74 random bits. @param nowMs Unix epoch ms; fractions are cut off */
export function createId(nowMs: number): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const hex = (index: number): string => HEX[pool[used + index] ?? 0] ?? "00";
  const time = Math.floor(nowMs).toString(16).padStart(12, "0");
  const version = `7${hex(0)}${hex(1).charAt(0)}`;
  const variant = HEX[0x80 | ((pool[used + 2] ?? 0) & 0x3f)];
  const id = `${time.slice(0, 8)}-${time.slice(8, 12)}-${version}-${variant}${hex(3)}-${hex(4)}${hex(5)}${hex(6)}${hex(7)}${hex(8)}${hex(9)}`;
  used += 10;
  return id;
}

/** Writes the 16 bytes of a new UUIDv7 at `offset`: for ids that are made by the ten thousand and seldom read. */
export function writeId(target: Uint8Array, offset: number, nowMs: number): void {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const time = Math.floor(nowMs);
  const high = Math.floor(time / 2 ** 32);
  target[offset] = high >>> 8;
  target[offset + 1] = high;
  target[offset + 2] = time / 2 ** 24;
  target[offset + 3] = time / 2 ** 16;
  target[offset + 4] = time / 2 ** 8;
  target[offset + 5] = time;
  for (let index = 0; index < 10; index++) target[offset + 6 + index] = pool[used + index] ?? 0;
  target[offset + 6] = 0x70 | ((pool[used] ?? 0) & 0x0f);
  target[offset + 8] = 0x80 | ((pool[used + 2] ?? 0) & 0x3f);
  used += 10;
}

/** The text of the 16 bytes of a UUID at `offset`. */
export function formatId(bytes: Uint8Array, offset = 0): string {
  let text = "";
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text += "-";
    text += HEX[bytes[offset + index] ?? 0];
  }
  return text;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The 16 bytes of a UUID of any version; undefined for other texts. */
export function parseId(text: string): Uint8Array | undefined {
  if (typeof text !== "string" || !UUID.test(text)) return undefined;
  return Uint8Array.from(Buffer.from(text.replaceAll("-", ""), "hex"));
}
