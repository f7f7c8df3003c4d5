import { EasynetError } from "../../kernel/index.ts";
import type { BlockFiles } from "./block-files.ts";

/** Blocks that somebody wants to stay: an artifact, a `put` under way, a fetch. */
export interface Hold {
  readonly hashes: Set<string>;
}

interface Block {
  readonly bytes: number;
  holders: number;
  written: Promise<void>;
}

/** Blocks on disk, each once, as long as somebody holds it, within a number of bytes. */
export class BlockStore {
  readonly #files: BlockFiles;
  readonly #blocks = new Map<string, Block>();
  readonly #removing = new Map<string, Promise<void>>();
  /** Held blocks whose file is not what it was; the next `add` writes it again. */
  readonly #damaged = new Set<string>();
  readonly #makeRoom: (bytes: number) => boolean;
  usedBytes = 0;

  /** @param makeRoom frees what it may; false when that many bytes do not fit even so */
  constructor(files: BlockFiles, makeRoom: (bytes: number) => boolean) {
    this.#files = files;
    this.#makeRoom = makeRoom;
  }

  sizeOf(hash: string): number | undefined {
    return this.#blocks.get(hash)?.bytes;
  }

  /** A block that is on disk already. */
  adopt(hold: Hold, hash: string, bytes: number): void {
    if (hold.hashes.has(hash)) return;
    hold.hashes.add(hash);
    const block = this.#blocks.get(hash);
    if (block) block.holders++;
    else {
      this.#blocks.set(hash, { bytes, holders: 1, written: Promise.resolve() });
      this.usedBytes += bytes;
    }
  }

  /** Resolves when the block is on disk. @throws {EasynetError} ARTIFACTS_FULL, STORAGE_FULL, STORAGE_FAILED */
  async add(hold: Hold, hash: string, bytes: Uint8Array): Promise<void> {
    let block = this.#blocks.get(hash);
    if (!block) {
      if (!this.#makeRoom(bytes.length)) throw new EasynetError("ARTIFACTS_FULL", { usedBytes: this.usedBytes });
      block = { bytes: bytes.length, holders: 0, written: this.#write(hash, bytes) };
      this.#blocks.set(hash, block);
      this.usedBytes += bytes.length;
    } else if (this.#damaged.delete(hash)) block.written = this.#write(hash, bytes);
    if (!hold.hashes.has(hash)) {
      hold.hashes.add(hash);
      block.holders++;
    }
    await block.written;
  }

  async #write(hash: string, bytes: Uint8Array): Promise<void> {
    await this.#removing.get(hash);
    await this.#files.write(hash, bytes);
  }

  /** Undefined when nobody holds it, or the file is damaged. */
  async read(hash: string): Promise<Uint8Array | undefined> {
    const block = this.#blocks.get(hash);
    if (!block) return undefined;
    try {
      await block.written;
    } catch {
      return undefined;
    }
    const bytes = await this.#files.read(hash);
    if (!bytes && this.#blocks.has(hash)) this.#damaged.add(hash);
    return bytes;
  }

  /** Lets go of blocks; those that nobody else holds are removed. */
  release(hold: Hold): void {
    for (const hash of hold.hashes) {
      const block = this.#blocks.get(hash);
      if (!block || --block.holders > 0) continue;
      this.#blocks.delete(hash);
      this.#damaged.delete(hash);
      this.usedBytes -= block.bytes;
      const removing = block.written
        .catch(() => undefined)
        .then(() => this.#files.remove(hash))
        .finally(() => {
          if (this.#removing.get(hash) === removing) this.#removing.delete(hash);
        });
      this.#removing.set(hash, removing);
    }
    hold.hashes.clear();
  }

  /** One block of a hold whose file turned out damaged: gone for everybody, so that it is fetched again. */
  drop(hold: Hold, hash: string): void {
    this.release({ hashes: new Set(hold.hashes.delete(hash) ? [hash] : []) });
  }

  async sync(): Promise<void> {
    await this.#files.sync();
  }

  /** Resolves when everything let go of is gone. */
  async settled(): Promise<void> {
    await Promise.all(this.#removing.values());
  }
}
