/** One change. Keys are ordered by their UTF-8 bytes within a space. */
export type Write =
  | { readonly kind: "put"; readonly space: string; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly space: string; readonly key: string };

export interface ListOptions {
  readonly prefix?: string;
  /** Only keys after this one. */
  readonly after?: string;
  /** @default 1000 */
  readonly limit?: number;
}

/**
 * Durable key-value spaces of one node. What `commit` resolved survives kill -9 and power loss.
 * Adapters: SQLite behind a writer thread, and the in-memory twin; one contract suite for both.
 */
export interface Store {
  /**
   * All writes of one call or none, in order of the calls; resolves when they are on disk. Concurrent calls share
   * one fsync. @throws {EasynetError} STORAGE_FULL (nothing written, retry later), STORAGE_FAILED
   */
  commit(writes: readonly Write[]): Promise<void>;
  /** Sees every commit that resolved before. */
  get(space: string, key: string): Uint8Array | undefined;
  list(space: string, options?: ListOptions): readonly { readonly key: string; readonly value: Uint8Array }[];
  close(): Promise<void>;
}
