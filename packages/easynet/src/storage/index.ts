export { compareKeys, weighWrites } from "./checks.ts";
export { KEY_BYTES_MAX, SPACE_BYTES_MAX, VALUE_BYTES_MAX } from "./limits.ts";
export { MemoryStore, type StoreFault } from "./memory-store.ts";
export { openStore, type StoreOptions } from "./sqlite-store.ts";
export type { CommitDurability, CommitOptions, Entry, ListOptions, Store, Write } from "./types.ts";
