const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** base58btc (draft-msporny-base58-03); for keys only, its cost grows with the square of the length. */
export function encodeBase58(bytes: Uint8Array): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  let text = "";
  for (; value > 0n; value /= 58n) text = ALPHABET.charAt(Number(value % 58n)) + text;
  for (const byte of bytes) {
    if (byte !== 0) break;
    text = "1" + text;
  }
  return text;
}

/** Undefined when a character is not of the alphabet. */
export function decodeBase58(text: string): Uint8Array | undefined {
  // 58 is less than 2^6: six bits a character are always enough.
  const bytes = new Uint8Array(Math.ceil((text.length * 6) / 8));
  let zeros = 0;
  while (text[zeros] === "1") zeros++;
  // From the end, where the significant bytes gather.
  let start = bytes.length;
  for (const character of text) {
    let carry = ALPHABET.indexOf(character);
    if (carry < 0) return undefined;
    for (let index = bytes.length - 1; index >= start || carry > 0; index--) {
      carry += (bytes[index] ?? 0) * 58;
      bytes[index] = carry & 0xff;
      carry >>= 8;
      if (index < start) start = index;
    }
  }
  const decoded = new Uint8Array(zeros + bytes.length - start);
  decoded.set(bytes.subarray(start), zeros);
  return decoded;
}
