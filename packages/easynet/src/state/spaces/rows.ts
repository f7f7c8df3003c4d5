import { encodeValue, decodeValue } from "../../wire/index.ts";
import type { CommitDurability, Store, Write } from "../../storage/index.ts";
import { hashText } from "../../kernel/index.ts";
import { VersionVector } from "../clocks/index.ts";
import type { Entry, Sibling } from "./entry-core.ts";
import type { Kept, SpaceCore } from "./space-core.ts";
import type { Version } from "./types.ts";

const ENTRY = "e/";
const VECTOR = "v/";
const DROPPED = "d/";
/** Lies between a key and the stamp of a change; sorts before every letter that a longer key could have there. */
const AFTER_KEY = "\u0001";
const PAGE_COUNT = 1000;

/**
 * A space on disk: a row for each entry, each known writer, and each remembered change. What is known is written in one
 * transaction with the entries that it speaks of, so a crash never leaves a vector that claims more than is there.
 */
export class SpaceRows {
  readonly #store: Store;
  readonly #space: string;
  readonly #history: string;
  readonly #saved = { [VECTOR]: new Map<string, number>(), [DROPPED]: new Map<string, number>() };
  #dirty = new Set<string>();
  #added: { readonly key: string; readonly sibling: Sibling }[] = [];
  #touched = new Set<string>();
  #current: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #durability: CommitDurability = "process";

  constructor(store: Store, name: string) {
    this.#store = store;
    this.#space = `state.${name}`;
    this.#history = `state-history.${name}`;
  }

  load(): Kept {
    const entries: Entry[] = [];
    const vectors = { [VECTOR]: new VersionVector(), [DROPPED]: new VersionVector() };
    for (let after = ""; ;) {
      const page = this.#store.list(this.#space, { after, limit: PAGE_COUNT });
      for (const { key, value } of page) {
        if (key.startsWith(ENTRY)) entries.push(entryFrom(key.slice(ENTRY.length), value));
        for (const kind of [VECTOR, DROPPED] as const) {
          if (!key.startsWith(kind)) continue;
          const [writer, counter] = [key.slice(kind.length), Number(decodeValue(value))];
          vectors[kind].advance(writer, counter);
          this.#saved[kind].set(writer, counter);
        }
      }
      const last = page.at(-1);
      if (!last) break;
      after = last.key;
    }
    return { entries, vector: vectors[VECTOR], dropped: vectors[DROPPED] };
  }

  /** To be written with the next commit. @param added changes for the history */
  mark(key: string, added: readonly Sibling[] = []): void {
    this.#dirty.add(key);
    for (const sibling of added) this.#added.push({ key, sibling });
  }

  /**
   * Writes what was marked, and what is known; calls made while one is under way share the next. On failure it stays
   * marked: nothing is written without what went before. @throws {EasynetError} STORAGE_FULL, STORAGE_FAILED, OVERLOADED
   */
  commit(core: SpaceCore, durability: CommitDurability): Promise<void> {
    if (durability === "disk") this.#durability = "disk";
    this.#next ??= this.#current.then(() => {
      this.#next = undefined;
      const wanted = this.#durability;
      this.#durability = "process";
      const written = this.#write(core, wanted);
      this.#current = written.catch(() => undefined);
      return written;
    });
    return this.#next;
  }

  async #write(core: SpaceCore, durability: CommitDurability): Promise<void> {
    const [dirty, added] = [this.#dirty, this.#added];
    this.#dirty = new Set();
    this.#added = [];
    const writes: Write[] = Array.from(dirty, (key) => this.#entryWrite(key, core.get(key)));
    if (core.spec.historyMax > 0) {
      for (const { key, sibling } of added) writes.push(this.#historyWrite(key, sibling));
    }
    const counters = [...this.#changed(VECTOR, core.vector), ...this.#changed(DROPPED, core.dropped)];
    for (const { kind, writer, counter } of counters) {
      writes.push({ kind: "put", space: this.#space, key: kind + writer, value: encodeValue(counter) });
      this.#saved[kind].set(writer, counter);
    }
    if (writes.length === 0) return;
    try {
      await this.#store.commit(writes, { durability });
    } catch (error) {
      for (const key of dirty) this.#dirty.add(key);
      this.#added.unshift(...added);
      for (const { kind, writer } of counters) this.#saved[kind].delete(writer);
      throw error;
    }
  }

  /** Changes of a key, the latest first. */
  history(key: string, countMax: number): readonly Version[] {
    const rows = this.#store.list(this.#history, { prefix: key + AFTER_KEY, limit: 10_000 });
    const latest = countMax === 0 ? [] : rows.slice(-countMax).toReversed();
    return latest.map(({ value }) => versionFrom(value));
  }

  /** Removes what the history holds beyond `countMax` of the keys written since the last time. */
  async trimHistory(countMax: number): Promise<void> {
    const touched = this.#touched;
    this.#touched = new Set();
    const writes: Write[] = [];
    for (const key of touched) {
      const rows = this.#store.list(this.#history, { prefix: key + AFTER_KEY, limit: 10_000 });
      for (const row of rows.slice(0, Math.max(0, rows.length - countMax))) {
        writes.push({ kind: "delete", space: this.#history, key: row.key });
      }
    }
    if (writes.length > 0) await this.#store.commit(writes, { durability: "process" });
  }

  #entryWrite(key: string, entry: Entry | undefined): Write {
    const row = { space: this.#space, key: ENTRY + key };
    return entry ? { kind: "put", ...row, value: entryRow(entry) } : { kind: "delete", ...row };
  }

  #historyWrite(key: string, sibling: Sibling): Write {
    this.#touched.add(key);
    const { ms, count, writer } = sibling;
    const stamp = ms.toString(16).padStart(12, "0") + count.toString(16).padStart(4, "0");
    const row = key + AFTER_KEY + stamp + hashText(writer, 0).toString(16);
    return { kind: "put", space: this.#history, key: row, value: encodeValue(siblingFields(sibling)) };
  }

  #changed(
    kind: typeof VECTOR | typeof DROPPED,
    vector: VersionVector,
  ): { readonly kind: typeof VECTOR | typeof DROPPED; readonly writer: string; readonly counter: number }[] {
    const saved = this.#saved[kind];
    return Array.from(vector.entries(), ([writer, counter]) => ({ kind, writer, counter })).filter(
      ({ writer, counter }) => saved.get(writer) !== counter,
    );
  }
}

function siblingFields({ writer, counter, ms, count, value, revision }: Sibling): readonly unknown[] {
  return [writer, counter, ms, count, value ?? null, revision];
}

function entryRow({ siblings, superseded }: Entry): Uint8Array {
  return encodeValue([siblings.map(siblingFields), superseded.map(({ writer, counter }) => [writer, counter])]);
}

function entryFrom(key: string, bytes: Uint8Array): Entry {
  const [siblings, superseded] = rowOf(decodeValue(bytes));
  return {
    key,
    hash: hashText(key, 0),
    siblings: rowOf(siblings).map(siblingFrom),
    superseded: rowOf(superseded).map((dot) => {
      const [writer, counter] = rowOf(dot);
      return { writer: String(writer), counter: Number(counter) };
    }),
  };
}

function siblingFrom(row: unknown): Sibling {
  const [writer, counter, ms, count, value, revision] = rowOf(row);
  return {
    writer: String(writer),
    counter: Number(counter),
    ms: Number(ms),
    count: Number(count),
    value: value instanceof Uint8Array ? value : undefined,
    revision: Number(revision),
  };
}

function versionFrom(bytes: Uint8Array): Version {
  const { writer, counter, ms, value } = siblingFrom(decodeValue(bytes));
  return { ...(value && { value: decodeValue(value) }), writer, counter, atMs: ms };
}

function rowOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
