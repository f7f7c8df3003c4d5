import { IMPOSSIBLE, type Model } from "./history.ts";

/** A call on one key whose value is a text, empty at first. */
export type AppendCall =
  | { readonly kind: "get"; readonly value: string }
  | { readonly kind: "put"; readonly value: string }
  | { readonly kind: "append"; readonly value: string };

/** Primes below 2^26, so that a product of two remainders is exact; the pair takes 52 bits. */
const PRIMES = [67_108_859, 67_108_837] as const;
const SHIFT = 2 ** 26;
/** Above every UTF-16 code unit plus one. */
const BASES = [65_599, 131_071] as const;

/**
 * A text with append. The states are hashes (Rabin and Karp's, two moduli) instead of texts, which would fill the memory:
 * appending multiplies and adds, however long the text. Two texts of one test share a hash with probability 2^-52.
 */
export const appendModel: Model<AppendCall> = {
  initial: 0,
  effectOf({ kind, value }, answered) {
    const [high, low] = [remainderOf(value, 0), remainderOf(value, 1)];
    const whole = high * SHIFT + low;
    if (kind === "put") return () => whole;
    if (kind === "get") return (state) => (!answered || state === whole ? state : IMPOSSIBLE);
    const [highFactor, lowFactor] = [powerOf(value.length, 0), powerOf(value.length, 1)];
    return (state) => {
      const stateHigh = Math.floor(state / SHIFT);
      const stateLow = state - stateHigh * SHIFT;
      return ((stateHigh * highFactor + high) % PRIMES[0]) * SHIFT + ((stateLow * lowFactor + low) % PRIMES[1]);
    };
  },
};

function remainderOf(text: string, which: 0 | 1): number {
  let remainder = 0;
  for (let index = 0; index < text.length; index++) {
    remainder = (remainder * BASES[which] + text.charCodeAt(index) + 1) % PRIMES[which];
  }
  return remainder;
}

function powerOf(exponent: number, which: 0 | 1): number {
  let power = 1;
  for (let left = exponent; left > 0; left--) power = (power * BASES[which]) % PRIMES[which];
  return power;
}
