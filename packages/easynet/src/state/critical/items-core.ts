import { compareKeys } from "../../storage/index.ts";
import { ITEM_OVERHEAD_BYTES, LIST_BYTES_MAX } from "./limits.ts";
import type { CriticalEntry } from "./types.ts";

/** Keys with their values and revisions, and what they weigh. */
export class Items {
  readonly #entries = new Map<string, CriticalEntry>();
  /** Keys in order; made when somebody lists, thrown away when a key comes or goes. */
  #ordered: readonly string[] | undefined;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#entries.size;
  }

  get(key: string): CriticalEntry | undefined {
    return this.#entries.get(key);
  }

  values(): Iterable<CriticalEntry> {
    return this.#entries.values();
  }

  set(entry: CriticalEntry): void {
    const before = this.#entries.get(entry.key);
    if (!before) this.#ordered = undefined;
    this.#bytes += weigh(entry) - (before ? weigh(before) : 0);
    this.#entries.set(entry.key, entry);
  }

  delete(key: string): boolean {
    const before = this.#entries.get(key);
    if (!before) return false;
    this.#ordered = undefined;
    this.#bytes -= weigh(before);
    return this.#entries.delete(key);
  }

  /** Bytes more than now if `key` held a value of `bytes`. */
  growth(key: string, bytes: number): number {
    const before = this.#entries.get(key);
    return before ? bytes - before.value.length : Buffer.byteLength(key) + bytes + ITEM_OVERHEAD_BYTES;
  }

  list(prefix: string, after: string | undefined, limit: number): readonly CriticalEntry[] {
    this.#ordered ??= [...this.#entries.keys()].sort(compareKeys);
    const found: CriticalEntry[] = [];
    let bytes = 0;
    for (let index = firstAfter(this.#ordered, prefix, after); index < this.#ordered.length; index++) {
      const entry = this.#entries.get(this.#ordered[index] ?? "");
      if (!entry?.key.startsWith(prefix) || found.length === limit || bytes >= LIST_BYTES_MAX) break;
      found.push(entry);
      bytes += weigh(entry);
    }
    return found;
  }
}

function weigh({ key, value }: CriticalEntry): number {
  return Buffer.byteLength(key) + value.length + ITEM_OVERHEAD_BYTES;
}

/** Index of the first key that is not before `prefix` and after `after`. */
function firstAfter(ordered: readonly string[], prefix: string, after: string | undefined): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const key = ordered[middle] ?? "";
    const isBefore = compareKeys(key, prefix) < 0 || (after !== undefined && compareKeys(key, after) <= 0);
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  return low;
}
