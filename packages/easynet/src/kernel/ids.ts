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
