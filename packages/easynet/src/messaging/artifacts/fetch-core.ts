import { EasynetError } from "../../kernel/index.ts";
import type { Cid } from "./cid.ts";
import { type BlockRef, decodeNode, describeRoot } from "./layout-core.ts";

/** Which blocks of an artifact are still needed. Feeds on verified blocks in any order; grows with the artifact only. */
export class FetchPlan {
  readonly #cid: Cid;
  readonly #bytesMax: number;
  /** By hash: every place in the tree where the block stands, and as what. */
  readonly #needed = new Map<string, BlockRef[]>();
  readonly #seen = new Set<string>();
  /** Not handed out yet; nodes come before chunks that were found later. */
  readonly #queue: string[] = [];
  #root: BlockRef | undefined;
  #hereBytes = 0;

  /** @param bytesMax an artifact that is larger is refused as soon as its root is known */
  constructor(cid: Cid, bytesMax: number) {
    this.#cid = cid;
    this.#bytesMax = bytesMax;
    this.#needed.set(cid.hash, []);
    this.#queue.push(cid.hash);
  }

  get done(): boolean {
    return this.#needed.size === 0;
  }

  get bytesTotal(): number | undefined {
    return this.#root?.bytes;
  }

  /** Bytes of content that are here. Those of a chunk that stands in several places count once until the end. */
  get bytes(): number {
    return this.done ? (this.#root?.bytes ?? 0) : this.#hereBytes;
  }

  /** A needed block that was not handed out. */
  next(): string | undefined {
    for (;;) {
      const hash = this.#queue.pop();
      if (hash === undefined || this.#needed.has(hash)) return hash;
    }
  }

  /** It was handed out and did not come. */
  giveBack(hash: string): void {
    if (this.#needed.has(hash)) this.#queue.push(hash);
  }

  /** The address of a needed block. */
  cidOf(hash: string): Cid {
    if (hash === this.#cid.hash) return this.#cid;
    return { hash, codec: (this.#needed.get(hash)?.[0]?.height ?? 0) > 0 ? "dag-pb" : "raw" };
  }

  needs(hash: string): boolean {
    return this.#needed.has(hash);
  }

  /** Whether a block of this size needs no reading to be taken: a chunk of which only the place counts. */
  takesUnread(hash: string, size: number): boolean {
    const refs = this.#needed.get(hash) ?? [];
    return refs.length > 0 && refs.every(({ height, bytes }) => height === 0 && bytes === size);
  }

  takeUnread(hash: string): void {
    this.#settle(hash, this.#needed.get(hash) ?? []);
  }

  /**
   * A block whose bytes have this hash.
   * @throws {EasynetError} ARTIFACT_INVALID, ARTIFACT_TOO_LARGE: the address names nothing that could be kept
   */
  take(hash: string, block: Uint8Array): void {
    const refs = this.#needed.get(hash);
    if (!refs) return;
    if (!this.#root) {
      this.#root = describeRoot(this.#cid, block);
      const { bytes } = this.#root;
      if (bytes > this.#bytesMax) throw new EasynetError("ARTIFACT_TOO_LARGE", { bytesMax: this.#bytesMax });
      refs.push(this.#root);
    }
    for (const ref of refs) {
      if (ref.height > 0) for (const child of decodeNode(block, ref)) this.#need(child);
      else if (block.length !== ref.bytes) {
        throw new EasynetError("ARTIFACT_INVALID", { reason: "a chunk has another size than its node says" });
      }
    }
    this.#settle(hash, refs);
  }

  #settle(hash: string, refs: readonly BlockRef[]): void {
    for (const { height, bytes } of refs) if (height === 0) this.#hereBytes += bytes;
    this.#needed.delete(hash);
  }

  #need(ref: BlockRef): void {
    const key = `${ref.height} ${ref.bytes} ${ref.hash}`;
    // The same block once more, as in a file of zeros.
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const known = this.#needed.get(ref.hash);
    if (known) {
      known.push(ref);
      return;
    }
    this.#needed.set(ref.hash, [ref]);
    this.#queue.push(ref.hash);
  }
}
