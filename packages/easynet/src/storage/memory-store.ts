import { EasynetError } from "../kernel/index.ts";
import { compareKeys, listLimit, weighWrites } from "./checks.ts";
import { LIST_BYTES_MAX, QUEUE_BYTES_MAX } from "./limits.ts";
import type { CommitOptions, Entry, ListOptions, Store, Write } from "./types.ts";

/** What a MemoryStore does with commits: take them, say that the disk is full, or say that it broke. */
export type StoreFault = "none" | "full" | "failed";

const PATH = ":memory:";

/** One space: values by key, and the keys in order (rebuilt on the first list after a change of the key set). */
interface Space {
  readonly values: Map<string, Uint8Array>;
  sorted: string[] | undefined;
}

/** The in-memory twin of the SQLite store for tests and simulation; keeps nothing, and can be told to fail. */
export class MemoryStore implements Store {
  readonly #spaces: Map<string, Space>;
  /** By space and key, what the disk still holds for entries changed since the last commit that reached it. */
  readonly #unsynced = new Map<string, Map<string, Uint8Array | undefined>>();
  #closed = false;
  #queuedBytes = 0;
  #queuedCount = 0;
  /** Applies to the commits made from now on. */
  fault: StoreFault = "none";

  constructor() {
    this.#spaces = new Map();
  }

  async commit(writes: readonly Write[], { durability = "disk" }: CommitOptions = {}): Promise<void> {
    this.#checkOpen();
    const weight = weighWrites(writes);
    if (this.#queuedBytes + weight > QUEUE_BYTES_MAX) {
      throw new EasynetError("OVERLOADED", { subject: `the store ${PATH}`, queued: this.#queuedCount });
    }
    const { fault } = this;
    const copied = writes.map((write) => (write.kind === "put" ? { ...write, value: copyOf(write.value) } : write));
    this.#queuedBytes += weight;
    this.#queuedCount += 1;
    // As on disk, a commit is not visible before its caller had a chance to do something else.
    await Promise.resolve();
    this.#queuedBytes -= weight;
    this.#queuedCount -= 1;
    if (fault === "full") throw new EasynetError("STORAGE_FULL", { path: PATH });
    if (fault === "failed") throw new EasynetError("STORAGE_FAILED", { path: PATH, reason: "a planted fault" });
    for (const write of copied) {
      this.#remember(write);
      this.#apply(write);
    }
    if (durability === "disk") this.#unsynced.clear();
  }

  get(space: string, key: string): Uint8Array | undefined {
    this.#checkOpen();
    const value = this.#spaces.get(space)?.values.get(key);
    return value && copyOf(value);
  }

  list(space: string, options: ListOptions = {}): readonly Entry[] {
    this.#checkOpen();
    const limit = listLimit(options);
    const { prefix = "", after } = options;
    const found = this.#spaces.get(space);
    if (!found) return [];
    found.sorted ??= [...found.values.keys()].sort(compareKeys);
    const entries: Entry[] = [];
    let bytes = 0;
    for (const key of found.sorted) {
      if (!key.startsWith(prefix) || (after !== undefined && compareKeys(key, after) <= 0)) continue;
      const value = copyOf(found.values.get(key) ?? new Uint8Array());
      entries.push({ key, value });
      bytes += value.byteLength;
      if (entries.length === limit || bytes >= LIST_BYTES_MAX) break;
    }
    return entries;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unsynced.clear();
    await Promise.resolve();
  }

  /** A store over what was committed here, as after a restart of the process; this one is closed. */
  reopen(): MemoryStore {
    this.#closed = true;
    const next = new MemoryStore();
    for (const [name, { values }] of this.#spaces) {
      next.#spaces.set(name, { values: new Map(values), sorted: undefined });
    }
    return next;
  }

  /** A store over what had reached the disk, as after a power cut that spared nothing else; this one is closed. */
  cutPower(): MemoryStore {
    const next = this.reopen();
    for (const [space, entries] of this.#unsynced) {
      for (const [key, value] of entries) {
        next.#apply(value ? { kind: "put", space, key, value } : { kind: "delete", space, key });
      }
    }
    return next;
  }

  #remember({ space, key }: Write): void {
    let entries = this.#unsynced.get(space);
    if (!entries) this.#unsynced.set(space, (entries = new Map()));
    if (!entries.has(key)) entries.set(key, this.#spaces.get(space)?.values.get(key));
  }

  #apply(write: Write): void {
    let space = this.#spaces.get(write.space);
    if (!space) {
      space = { values: new Map(), sorted: undefined };
      this.#spaces.set(write.space, space);
    }
    if (write.kind === "delete") {
      if (space.values.delete(write.key)) space.sorted = undefined;
      return;
    }
    if (!space.values.has(write.key)) space.sorted = undefined;
    space.values.set(write.key, write.value);
  }

  #checkOpen(): void {
    if (this.#closed) throw new EasynetError("STORAGE_FAILED", { path: PATH, reason: "it was closed" });
  }
}

/** A plain copy; `slice` of a Buffer would be a view of the same bytes. */
function copyOf(value: Uint8Array): Uint8Array {
  return new Uint8Array(value);
}
