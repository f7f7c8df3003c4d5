/** FNV-1a of 32 bits over UTF-16 units, started with a salt; for sums and shares, not for secrets. */
export function hashText(text: string, salt: number): number {
  let hash = (0x811c9dc5 ^ salt) >>> 0;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return spread(hash);
}

/** Goes on with a whole number of up to 2^53. */
export function mixHash(hash: number, value: number): number {
  return spread(Math.imul(Math.imul(hash ^ (value >>> 0), 0x01000193) ^ Math.floor(value / 2 ** 32), 0x01000193));
}

/** The last bytes count as much as the first: sums of neighbours differ. */
function spread(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 12)) >>> 0;
}
