/** One change. Keys are ordered by their UTF-8 bytes within a space. */
export type Write =
  | {
      readonly kind: "put";
      /** 1 to 128 bytes of UTF-8 without NUL. */
      readonly space: string;
      /** 1 to 1,024 bytes of UTF-8 without NUL. */
      readonly key: string;
      /** Up to 16 MiB; copied during the call. */
      readonly value: Uint8Array;
    }
  | { readonly kind: "delete"; readonly space: string; readonly key: string };

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
}

/**
 * What a commit survives once it resolved. "process": the end of the process, kill -9 included; it waits for no sync.
 * "disk": power loss too.
 */
export type CommitDurability = "process" | "disk";

export interface CommitOptions {
  /** @default "disk" */
  readonly durability?: CommitDurability;
}

export interface ListOptions {
  readonly prefix?: string;
  /** Only keys after this one. */
  readonly after?: string;
  /** Rows, 1 to 10,000. @default 1000 */
  readonly limit?: number;
}

/**
 * Durable key-value spaces of one node. What `commit` resolved survives kill -9, and power loss unless it asked for less.
 * Adapters: SQLite behind a writer thread, and the in-memory twin; one contract suite for both.
 */
export interface Store {
  /**
   * All writes of one call or none, in order of the calls; resolves when they are on disk, or with durability
   * "process" when the operating system has them. Concurrent calls share one transaction, which is synced when one of
   * them asks for "disk"; that makes every earlier commit as durable.
   * @throws {EasynetError} STORAGE_FULL (nothing of this call written, retry later), OVERLOADED (more than 64 MiB wait
   * for the disk; nothing was taken), INVALID_ARGUMENT (a key or value beyond its limit), STORAGE_FAILED (the disk or
   * the writer broke; whether this call was written is not known)
   */
  commit(writes: readonly Write[], options?: CommitOptions): Promise<void>;
  /** Sees every commit that resolved before. @throws {EasynetError} STORAGE_FAILED */
  get(space: string, key: string): Uint8Array | undefined;
  /**
   * Entries in order of their keys. A page also ends after 64 MiB of values, so only an empty page is the end:
   * go on with `after` set to the last key. @throws {EasynetError} INVALID_ARGUMENT, STORAGE_FAILED
   */
  list(space: string, options?: ListOptions): readonly Entry[];
  /** Waits for the commits already taken; later ones are refused. May be called again. */
  close(): Promise<void>;
}
