import { type Did, parseDid } from "../identity/index.ts";
import { DIDS_COUNT_MAX } from "./limits.ts";

/** Dids that were checked before; at the limit the oldest goes out. */
export class DidCache {
  readonly #dids = new Map<string, Did>();

  /** @throws {EasynetError} INVALID_ARGUMENT unless `value` is a did */
  parse(value: unknown): Did {
    const text = typeof value === "string" ? value : "";
    const known = this.#dids.get(text);
    if (known) return known;
    const did = parseDid(text);
    if (this.#dids.size >= DIDS_COUNT_MAX) {
      const oldest = this.#dids.keys().next();
      if (!oldest.done) this.#dids.delete(oldest.value);
    }
    this.#dids.set(text, did);
    return did;
  }
}
