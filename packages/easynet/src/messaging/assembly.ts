import { EasynetError } from "../kernel/index.ts";

/** The memory that received and not yet consumed bytes of all exchanges may hold together. */
export class AssemblyPool {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws {EasynetError} OVERLOADED */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) {
      throw new EasynetError("OVERLOADED", {
        subject: "The memory for large values of this node",
        queued: this.#bytes,
      });
    }
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Parts of one large value, in order. */
export class Assembly {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Copies `part`: frames are reused. */
  add(part: Uint8Array): void {
    this.#parts.push(new Uint8Array(part));
    this.#bytes += part.length;
  }

  /** Everything so far as one array of its own; empties the assembly. */
  take(): Uint8Array {
    const whole = new Uint8Array(this.#bytes);
    let offset = 0;
    for (const part of this.#parts) {
      whole.set(part, offset);
      offset += part.length;
    }
    this.clear();
    return whole;
  }

  clear(): void {
    this.#parts = [];
    this.#bytes = 0;
  }
}
