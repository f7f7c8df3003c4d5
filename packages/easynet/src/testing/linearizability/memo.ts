/**
 * The configurations that a search has been in: which operations have taken effect, and the state. One growing array
 * holds them all, the set bit by bit and the state in two words; an open-addressed table finds them. A set of strings
 * would take ten times the memory.
 */

const FIRST_COUNT = 64;
const STATE_WORDS = 2;
const TWO_32 = 2 ** 32;

export class Memo {
  readonly #stride: number;
  /** The configuration that is asked for, and behind it those that were added. */
  #rows: Int32Array<ArrayBuffer>;
  #hashes = new Int32Array(FIRST_COUNT);
  /** The row in each slot; 0 in a free one, because row 0 is the one that is asked for. */
  #slots = new Int32Array(FIRST_COUNT * 4);
  #count = 0;

  /** @param setWords words of 32 bits in each set */
  constructor(setWords: number) {
    this.#stride = setWords + STATE_WORDS;
    this.#rows = new Int32Array(FIRST_COUNT * this.#stride);
  }

  get count(): number {
    return this.#count;
  }

  /**
   * False when it was there.
   * @param state a whole number from 0 below 2^53
   */
  add(set: Int32Array, state: number): boolean {
    this.#rows[0] = state | 0;
    this.#rows[1] = Math.floor(state / TWO_32);
    this.#rows.set(set, STATE_WORDS);
    const hash = this.#hashOfFirst();
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (let row = this.#slots[slot]!; row !== 0; row = this.#slots[slot]!) {
      if (this.#hashes[row] === hash && this.#isFirst(row)) return false;
      slot = (slot + 1) & mask;
    }
    this.#slots[slot] = this.#keepFirst(hash);
    if (this.#count * 2 > this.#slots.length) this.#widen();
    return true;
  }

  #isFirst(row: number): boolean {
    const start = row * this.#stride;
    for (let word = 0; word < this.#stride; word++) if (this.#rows[start + word] !== this.#rows[word]) return false;
    return true;
  }

  #keepFirst(hash: number): number {
    const row = ++this.#count;
    if (row === this.#hashes.length) {
      this.#rows = doubled(this.#rows);
      this.#hashes = doubled(this.#hashes);
    }
    this.#rows.copyWithin(row * this.#stride, 0, this.#stride);
    this.#hashes[row] = hash;
    return row;
  }

  #widen(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let row = 1; row <= this.#count; row++) {
      let slot = this.#hashes[row]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = row;
    }
    this.#slots = slots;
  }

  /** The mixing of MurmurHash3 (Austin Appleby, public domain). */
  #hashOfFirst(): number {
    let hash = 0;
    for (let word = 0; word < this.#stride; word++) {
      hash = Math.imul(hash ^ Math.imul(this.#rows[word]!, 0xcc9e2d51), 0x1b873593);
      hash = ((hash << 13) | (hash >>> 19)) + 0xe6546b64;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return hash ^ (hash >>> 13);
  }
}

function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(array.length * 2);
  wider.set(array);
  return wider;
}
