import { assert } from "../../kernel/index.ts";

interface Sent {
  /** Index of the last entry of the append. */
  readonly index: number;
  readonly bytes: number;
}

/** Appends on their way to one follower, in order; when it is full, none more is sent until some are answered. */
export class Inflights {
  readonly #countMax: number;
  readonly #bytesMax: number;
  #sent: Sent[] = [];
  #bytes = 0;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#sent.length;
  }

  get full(): boolean {
    return this.#sent.length >= this.#countMax || this.#bytes >= this.#bytesMax;
  }

  add(index: number, bytes: number): void {
    assert(!this.full, "no append is sent to a follower whose window is full");
    this.#sent.push({ index, bytes });
    this.#bytes += bytes;
  }

  /** All appends that end at `index` or before are answered. */
  freeUpTo(index: number): void {
    let count = 0;
    for (const sent of this.#sent) {
      if (sent.index > index) break;
      this.#bytes -= sent.bytes;
      count++;
    }
    if (count > 0) this.#sent.splice(0, count);
  }

  clear(): void {
    this.#sent = [];
    this.#bytes = 0;
  }
}
