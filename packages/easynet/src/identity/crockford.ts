import { EasynetError } from "../kernel/index.ts";

/**
 * Bytes as text that survives paper, telephone and chat: Crockford's base32 (crockford.com/base32.html) in groups of
 * ten, the tenth character of each group a check of the other nine and of the group's number. A group with one wrong
 * character, with two neighbours swapped, or in another group's place is always noticed, and named. We differ from
 * Crockford's check symbol (mod 37) in computing over GF(32), so that it needs no characters beyond the alphabet.
 */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DATA_PER_GROUP = 9;
/** Longer texts are refused before they are read. */
export const CODE_LENGTH_MAX = 4096;

/** GF(32) with the polynomial x^5 + x^2 + 1: powers of two and their logarithms. */
const POWERS: number[] = [];
const LOGARITHMS: number[] = [];
for (let exponent = 0, value = 1; exponent < 31; exponent++) {
  POWERS[exponent] = value;
  LOGARITHMS[value] = exponent;
  value = value & 16 ? ((value << 1) ^ 0x25) & 31 : value << 1;
}

export function encodeCrockford(bytes: Uint8Array): string {
  const digits: number[] = [];
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) digits.push((held >> (bits - 5)) & 31);
    held &= 31;
  }
  if (bits > 0) digits.push((held << (5 - bits)) & 31);
  const groups: string[] = [];
  for (let at = 0; at < digits.length; at += DATA_PER_GROUP) {
    const data = digits.slice(at, at + DATA_PER_GROUP);
    groups.push([...data, checkDigit(data, groups.length)].map((digit) => ALPHABET.charAt(digit)).join(""));
  }
  return groups.join("-");
}

/**
 * The bytes of a text in any case and grouping; O reads as 0, I and L as 1.
 * @throws {EasynetError} INVITE_INVALID naming the group that was mistyped
 */
export function decodeCrockford(text: string): Uint8Array {
  if (text.length > CODE_LENGTH_MAX) throw invalid(`it is longer than ${CODE_LENGTH_MAX} characters`);
  const digits = digitsOf(text);
  const data: number[] = [];
  for (let at = 0, group = 0; at < digits.length; at += DATA_PER_GROUP + 1, group++) {
    const own = digits.slice(at, at + DATA_PER_GROUP + 1);
    const check = own.pop();
    if (own.length === 0) throw invalid(`its end is missing after group ${group}`);
    if (check !== checkDigit(own, group)) throw mistyped(digits, group);
    data.push(...own);
  }
  const bytes: number[] = [];
  let held = 0;
  let bits = 0;
  for (const digit of data) {
    held = (held << 5) | digit;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push(held >> bits);
    held &= (1 << bits) - 1;
  }
  // One byte string has one text: no spare bits, no spare character.
  if (held !== 0 || bits >= 5) throw invalid("it does not end where a code ends");
  return Uint8Array.from(bytes);
}

function digitsOf(text: string): number[] {
  const digits: number[] = [];
  for (const character of text.toUpperCase()) {
    if (/[\s-]/.test(character)) continue;
    const plain = character === "O" ? "0" : character === "I" || character === "L" ? "1" : character;
    const digit = ALPHABET.indexOf(plain);
    if (digit < 0) {
      const group = Math.floor(digits.length / (DATA_PER_GROUP + 1)) + 1;
      throw invalid(`group ${group} holds ${JSON.stringify(character)}, which no code has`);
    }
    digits.push(digit);
  }
  return digits;
}

/** The digits weighted with 1, a, a^2 … and the group's number, so that groups cannot change places. */
function checkDigit(data: readonly number[], group: number): number {
  let sum = multiply(1 + (group % 31), 29);
  for (const [position, digit] of data.entries()) sum ^= multiply(digit, position + 1);
  return sum;
}

/** @param exponent of the weight */
function multiply(value: number, exponent: number): number {
  return value === 0 ? 0 : (POWERS[((LOGARITHMS[value] ?? 0) + exponent) % 31] ?? 0);
}

function mistyped(digits: readonly number[], group: number): EasynetError {
  const at = group * (DATA_PER_GROUP + 1);
  const shown = digits.slice(at, at + DATA_PER_GROUP + 1).map((digit) => ALPHABET.charAt(digit));
  return new EasynetError("INVITE_INVALID", { reason: `group ${group + 1} (${shown.join("")}) was mistyped` });
}

function invalid(reason: string): EasynetError {
  return new EasynetError("INVITE_INVALID", { reason });
}
