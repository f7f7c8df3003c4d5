import { assert, EasynetError } from "../../kernel/index.ts";
import type { Store } from "../../storage/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";

/** Resources that one guard remembers; beyond it effects on new ones are refused, because forgetting one would let an old token in. */
const RESOURCES_COUNT_MAX = 100_000;

/**
 * Refuses effects of owners that lost their lease: for each resource it remembers the largest token that it saw, on disk,
 * and lets no smaller one pass. Whatever takes effects for the holder of a lease asks it first (Kleppmann, "How to do
 * distributed locking", 2016; Jepsen on etcd 3.4.3, 2020: a lock alone cannot exclude).
 */
export class FenceGuard {
  readonly #store: Store;
  readonly #space: string;
  readonly #seen = new Map<string, number>();
  readonly #writing = new Map<string, Promise<void>>();

  /** @param space of `store`, for this guard alone */
  constructor(store: Store, space: string) {
    this.#store = store;
    this.#space = space;
    for (let after: string | undefined; ;) {
      const page = store.list(space, after === undefined ? {} : { after });
      if (page.length === 0) break;
      for (const { key, value } of page) this.#seen.set(key, Number(decodeValue(value)));
      after = page.at(-1)?.key;
    }
  }

  /**
   * Resolves when an effect with this token may take place: the token is on disk, so that also after a restart nothing
   * older passes. @throws {EasynetError} TOKEN_STALE, and what `Store.commit` throws
   */
  async admit(resource: string, token: number): Promise<void> {
    this.check(resource, token);
    if (this.#seen.get(resource) === token) await this.#writing.get(resource);
    else await this.#remember(resource, token);
    // Another effect may have brought a larger token while this one was written.
    this.check(resource, token);
  }

  /** For a moment just before an effect that took its time. @throws {EasynetError} TOKEN_STALE */
  check(resource: string, token: number): void {
    const seen = this.#seen.get(resource) ?? 0;
    if (token < seen) throw new EasynetError("TOKEN_STALE", { resource, token, seen });
  }

  /** Smaller tokens are refused from now, before this one is on disk: two writes can never change places. */
  async #remember(resource: string, token: number): Promise<void> {
    const before = this.#seen.get(resource);
    assert(before !== undefined || this.#seen.size < RESOURCES_COUNT_MAX, "a guard remembers too many resources");
    this.#seen.set(resource, token);
    const writing = this.#store.commit([{ kind: "put", space: this.#space, key: resource, value: encodeValue(token) }]);
    this.#writing.set(resource, writing);
    try {
      await writing;
    } catch (error) {
      // The next one with this token has to write it again.
      if (this.#seen.get(resource) === token) this.#seen.set(resource, token - 1);
      throw error;
    } finally {
      if (this.#writing.get(resource) === writing) this.#writing.delete(resource);
    }
  }
}
