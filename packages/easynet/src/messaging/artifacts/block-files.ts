import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { EasynetError } from "../../kernel/index.ts";
import { hashOf } from "./cid.ts";

const NAME = /^[0-9a-f]{64}$/;

/** Blocks as files, each under its hash. A file with such a name is whole: it got the name after it was synced. */
export class BlockFiles {
  readonly #folder: string;

  /** @param folder made at the first `scan` */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Hashes and sizes of what is there; files that were being written when the process died go. */
  async scan(): Promise<ReadonlyMap<string, number>> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const found = new Map<string, number>();
    for (const name of await readdir(this.#folder)) {
      if (NAME.test(name)) found.set(name, (await stat(join(this.#folder, name))).size);
      else await rm(join(this.#folder, name), { recursive: true, force: true });
    }
    return found;
  }

  /** @throws {EasynetError} STORAGE_FULL, STORAGE_FAILED */
  async write(hash: string, bytes: Uint8Array): Promise<void> {
    const temporary = join(this.#folder, `new-${randomUUID()}`);
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(bytes);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(temporary, join(this.#folder, hash));
    } catch (cause) {
      await rm(temporary, { force: true });
      throw this.#failure(cause);
    }
  }

  /** Makes the names durable too, not only the bytes. */
  async sync(): Promise<void> {
    const folder = await open(this.#folder, "r");
    try {
      // Not every system can (Windows cannot); there the names are as durable as the file system makes them.
      await folder.sync().catch(() => undefined);
    } finally {
      await folder.close();
    }
  }

  /** Undefined when it is not there, or not the bytes of this hash. */
  async read(hash: string): Promise<Uint8Array | undefined> {
    try {
      const bytes = await readFile(join(this.#folder, hash));
      return hashOf(bytes) === hash ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  async remove(hash: string): Promise<void> {
    await rm(join(this.#folder, hash), { force: true });
  }

  #failure(cause: unknown): EasynetError {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOSPC" || code === "EDQUOT")
      return new EasynetError("STORAGE_FULL", { path: this.#folder }, { cause });
    return new EasynetError("STORAGE_FAILED", { path: this.#folder, reason: String(cause) }, { cause });
  }
}
