import { resolve } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Logger, type Metrics, noMetrics, silentLogger } from "../kernel/index.ts";
import { compareKeys, listLimit } from "./checks.ts";
import { failureOf, toStoreError } from "./failures.ts";
import { LIST_BYTES_MAX } from "./limits.ts";
import { openForReading } from "./schema.ts";
import type { CommitOptions, Entry, ListOptions, Store, Write } from "./types.ts";
import type { StoreTuning } from "./writer-protocol.ts";
import { Writer } from "./writer.ts";

export interface StoreOptions {
  /** The database file; its folder must exist. Two side files, `-wal` and `-shm`, lie beside it while it is open. */
  readonly path: string;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
}

/**
 * Opens or creates the store of one node: `node:sqlite` in WAL mode behind a writer thread, synchronous=FULL for every
 * transaction in which a commit asks for the disk.
 * One process at a time owns a file; that is guarded by run.json in node/, not here.
 * @throws {EasynetError} STORAGE_TOO_NEW (written by a later version), STORAGE_FULL, STORAGE_FAILED (damaged, foreign
 * or out of reach); the file is then as it was
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  return openStoreWith(options, {});
}

/** `openStore` with choices that only tests make. */
export async function openStoreWith(options: StoreOptions, tuning: StoreTuning): Promise<Store> {
  const path = resolve(options.path);
  const logger = (options.logger ?? silentLogger).child({ component: "store" });
  const metrics = options.metrics ?? noMetrics;
  const { writer, checked } = await Writer.start({ path, tuning }, { logger, metrics });
  try {
    const store = new SqliteStore(path, writer, openForReading(path));
    logger.info("store opened", { path, checked });
    return store;
  } catch (error) {
    await writer.close();
    throw toStoreError(failureOf(error, path), path);
  }
}

class SqliteStore implements Store {
  readonly #path: string;
  readonly #writer: Writer;
  readonly #reader: DatabaseSync;
  readonly #get: StatementSync;
  readonly #listFrom: StatementSync;
  readonly #listAfter: StatementSync;
  #closing: Promise<void> | undefined;

  constructor(path: string, writer: Writer, reader: DatabaseSync) {
    this.#path = path;
    this.#writer = writer;
    this.#reader = reader;
    this.#get = reader.prepare("SELECT value FROM entries WHERE space = ? AND key = ?");
    this.#listFrom = reader.prepare("SELECT key, value FROM entries WHERE space = ? AND key >= ? ORDER BY key");
    this.#listAfter = reader.prepare("SELECT key, value FROM entries WHERE space = ? AND key > ? ORDER BY key");
  }

  async commit(writes: readonly Write[], options?: CommitOptions): Promise<void> {
    return this.#writer.commit(writes, options);
  }

  get(space: string, key: string): Uint8Array | undefined {
    return this.#read(() => {
      const value = this.#get.get(space, key)?.["value"];
      return value instanceof Uint8Array ? value : undefined;
    });
  }

  list(space: string, options: ListOptions = {}): readonly Entry[] {
    const limit = listLimit(options);
    const { prefix = "", after } = options;
    const statement =
      after !== undefined && compareKeys(after, prefix) >= 0
        ? { rows: this.#listAfter, start: after }
        : { rows: this.#listFrom, start: prefix };
    return this.#read(() => {
      const entries: Entry[] = [];
      let bytes = 0;
      for (const { key, value } of statement.rows.iterate(space, statement.start)) {
        if (typeof key !== "string" || !(value instanceof Uint8Array) || !key.startsWith(prefix)) break;
        entries.push({ key, value });
        bytes += value.byteLength;
        if (entries.length === limit || bytes >= LIST_BYTES_MAX) break;
      }
      return entries;
    });
  }

  async close(): Promise<void> {
    // The reader first: only a connection that can write folds the log into the file when it closes as the last.
    this.#closing ??= this.#writer.close(() => this.#reader.close());
    return this.#closing;
  }

  #read<Result>(query: () => Result): Result {
    if (!this.#reader.isOpen) throw toStoreError({ code: "STORAGE_FAILED", reason: "it was closed" }, this.#path);
    try {
      return query();
    } catch (error) {
      throw toStoreError(failureOf(error, this.#path), this.#path);
    }
  }
}
