import { EasynetError } from "../kernel/index.ts";
import { Assembly, type AssemblyPool } from "./assembly.ts";
import { ERROR_EVENT_BYTES_MAX, type ExchangeLimits, FRAME_COST_BYTES } from "./limits.ts";

/**
 * The receiving half of one direction of an exchange: joins parts, counts what is held against the pool, and says how
 * much credit to return. All counts are costs: bytes plus FRAME_COST_BYTES for each frame. The cost of a finished
 * value is returned when it is consumed; that of an unfinished one as soon as nothing finished waits before it, or a
 * value larger than the window could never arrive.
 */
export class ReceiveWindow {
  readonly #limits: ExchangeLimits;
  readonly #pool: AssemblyPool;
  readonly #assembly = new Assembly();
  #received = 0;
  #returned = 0;
  /** Of finished values that were not consumed. */
  #waiting = 0;
  #unfinished = 0;
  #finished = 0;

  constructor(limits: ExchangeLimits, pool: AssemblyPool) {
    this.#limits = limits;
    this.#pool = pool;
  }

  get unfinishedBytes(): number {
    return this.#assembly.bytes;
  }

  /** Cost of the value that `receive` returned last: what `consume` takes. */
  get finishedCost(): number {
    return this.#finished;
  }

  /**
   * Takes one frame's bytes. @returns the bytes of the whole value, perhaps `bytes` itself; undefined while more is to come
   * @throws {EasynetError} FRAME_MALFORMED when the sender overran the window; OVERLOADED when the pool is full
   */
  receive(bytes: Uint8Array, more: boolean): Uint8Array | undefined {
    const cost = bytes.length + FRAME_COST_BYTES;
    this.#received += cost;
    if (this.#received - this.#returned > this.#limits.windowBytes + ERROR_EVENT_BYTES_MAX + FRAME_COST_BYTES) {
      throw new EasynetError("FRAME_MALFORMED", { reason: "more bytes than the window allows" });
    }
    this.#pool.take(cost);
    this.#unfinished += cost;
    const single = !more && this.#assembly.bytes === 0;
    if (!single) this.#assembly.add(bytes);
    if (more) return undefined;
    this.#finished = this.#unfinished;
    this.#waiting += this.#unfinished;
    this.#unfinished = 0;
    return single ? bytes : this.#assembly.take();
  }

  /** A value of `cost` was consumed. */
  consume(cost: number): void {
    this.#waiting -= cost;
    this.#pool.release(cost);
  }

  /** Drops the unfinished value. */
  restart(): void {
    this.#pool.release(this.#unfinished);
    this.#unfinished = 0;
    this.#assembly.clear();
  }

  /** Credit to return now; 0 while it is not worth a frame. */
  takeCredit(): number {
    const held = this.#waiting === 0 ? 0 : this.#waiting + this.#unfinished;
    const credit = this.#received - this.#returned - held;
    if (credit < this.#limits.windowBytes / 2) return 0;
    this.#returned += credit;
    return credit;
  }

  /** Gives everything back to the pool. */
  close(): void {
    this.restart();
    this.#pool.release(this.#waiting);
    this.#waiting = 0;
  }
}
