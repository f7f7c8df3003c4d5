import { EasynetError } from "../../kernel/index.ts";
import type { Store, Write } from "../../storage/index.ts";
import type { LiveDocument } from "./engine.ts";
import { DOCUMENT_BYTES_MAX, UPDATES_COUNT_MAX } from "./limits.ts";
import type { DocumentChange, DocumentEdit, SharedDocument } from "./types.ts";

export const DOCUMENTS_SPACE = "documents";
const SNAPSHOT = "s";
const UPDATE = "u";

export interface KeptDocumentOptions {
  readonly name: string;
  readonly live: LiveDocument;
  readonly store: Store;
  /** did of this node: the author of what is edited here. */
  readonly author: string;
  /** Tells those who have it open. */
  readonly onEdited: (update: Uint8Array) => void;
}

/** A document with its changes on disk: one snapshot, and every change since then. */
export class KeptDocument implements SharedDocument {
  readonly name: string;
  readonly live: LiveDocument;
  readonly #options: KeptDocumentOptions;
  readonly #listeners = new Set<() => void>();
  /** Keys of the changes since the snapshot. */
  #updates: string[] = [];
  #number = 0;
  #bytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: KeptDocumentOptions) {
    this.#options = options;
    this.name = options.name;
    this.live = options.live;
    for (let after = ""; ;) {
      const page = options.store.list(DOCUMENTS_SPACE, { prefix: `${this.name}/`, after });
      for (const { key, value } of page) this.#load(key, value);
      const last = page.at(-1);
      if (!last) break;
      after = last.key;
    }
  }

  get updatesCount(): number {
    return this.#updates.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  read(): unknown {
    return this.live.read();
  }

  async edit(...edits: readonly DocumentEdit[]): Promise<void> {
    const before = this.live.version();
    this.live.edit(edits, this.#options.author);
    const update = this.live.since(before);
    if (!update) return;
    await this.#keep(update);
    this.#options.onEdited(update);
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  history(): readonly DocumentChange[] {
    return this.live.history();
  }

  export(since?: Uint8Array): Uint8Array {
    return (since && this.live.since(since)) ?? this.live.snapshot();
  }

  async import(bytes: Uint8Array): Promise<void> {
    const update = await this.take(bytes);
    if (update) this.#options.onEdited(update);
  }

  version(): Uint8Array {
    return this.live.version();
  }

  /** Takes in a change; what of it was new, or undefined. @throws {EasynetError} DOCUMENT_INVALID, DOCUMENT_TOO_LARGE */
  async take(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    this.#checkSize(bytes.length);
    const before = this.live.version();
    this.live.import(bytes);
    const update = this.live.since(before);
    if (update) await this.#keep(update);
    return update;
  }

  compact(): Promise<void> {
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#snapshot());
    return this.#writing;
  }

  async #keep(update: Uint8Array): Promise<void> {
    this.#checkSize(update.length);
    for (const listener of this.#listeners) listener();
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#append(update));
    await this.#writing;
    if (this.#updates.length > UPDATES_COUNT_MAX) await this.compact();
  }

  async #append(update: Uint8Array): Promise<void> {
    const key = this.#key(UPDATE + String(this.#number).padStart(12, "0"));
    this.#number += 1;
    await this.#options.store.commit([{ kind: "put", space: DOCUMENTS_SPACE, key, value: update }]);
    this.#updates.push(key);
    this.#bytes += update.length;
  }

  async #snapshot(): Promise<void> {
    const value = this.live.snapshot();
    this.#checkSize(value.length);
    const over = this.#updates;
    const writes: Write[] = over.map((key) => ({ kind: "delete", space: DOCUMENTS_SPACE, key }));
    writes.push({ kind: "put", space: DOCUMENTS_SPACE, key: this.#key(SNAPSHOT), value });
    await this.#options.store.commit(writes);
    this.#updates = [];
    this.#bytes = value.length;
  }

  #load(key: string, value: Uint8Array): void {
    this.live.import(value);
    this.#bytes += value.length;
    const name = key.slice(this.name.length + 1);
    if (!name.startsWith(UPDATE)) return;
    this.#updates.push(key);
    this.#number = Number(name.slice(UPDATE.length)) + 1;
  }

  #key(name: string): string {
    return `${this.name}/${name}`;
  }

  #checkSize(bytes: number): void {
    if (bytes > DOCUMENT_BYTES_MAX) {
      throw new EasynetError("DOCUMENT_TOO_LARGE", { document: this.name, bytesMax: DOCUMENT_BYTES_MAX });
    }
  }
}
