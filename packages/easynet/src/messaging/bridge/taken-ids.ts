import type { Store, Write } from "../../storage/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";

const SPACE = "bridge-in";
/** Ids of messages from NATS that are remembered; the oldest goes out. */
export const TAKEN_COUNT_MAX = 10_000;
const PAGE_COUNT = 1000;

/** What came from NATS and was published here: given again, it is not published again. */
export class TakenIds {
  readonly #store: Store;
  /** Oldest first. */
  readonly #ids = new Set<string>();
  #last = 0;

  constructor(store: Store) {
    this.#store = store;
    const found: { readonly id: string; readonly number: number }[] = [];
    for (let page = store.list(SPACE, { limit: PAGE_COUNT }); page.length > 0;) {
      for (const { key: id, value } of page) found.push({ id, number: Number(decodeValue(value)) });
      page = store.list(SPACE, { limit: PAGE_COUNT, after: page.at(-1)?.key ?? "" });
    }
    for (const { id, number } of found.sort((one, other) => one.number - other.number)) {
      this.#ids.add(id);
      this.#last = number;
    }
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  async add(id: string): Promise<void> {
    this.#last += 1;
    this.#ids.add(id);
    const writes: Write[] = [{ kind: "put", space: SPACE, key: id, value: encodeValue(this.#last) }];
    const [oldest] = this.#ids;
    if (this.#ids.size > TAKEN_COUNT_MAX && oldest !== undefined) {
      this.#ids.delete(oldest);
      writes.push({ kind: "delete", space: SPACE, key: oldest });
    }
    await this.#store.commit(writes);
  }
}
