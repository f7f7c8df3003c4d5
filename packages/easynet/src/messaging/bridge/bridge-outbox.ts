import { EasynetError } from "../../kernel/index.ts";
import type { Store } from "../../storage/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import type { BridgedMessage } from "./nats-mapping.ts";

const SPACE = "bridge-out";
/** Messages that wait for NATS; one more is refused with OVERLOADED, and stays with its sender. */
export const WAITING_COUNT_MAX = 50_000;
const PAGE_COUNT = 1000;
const NUMBER_DIGITS = 15;

/** One that waits. */
export interface WaitingMessage {
  readonly key: string;
  readonly message: BridgedMessage;
}

/** Messages on their way to NATS, on disk in the order in which they came: NATS may be away for as long as there is room. */
export class BridgeOutbox {
  readonly #store: Store;
  /** Keys by the id of their message, oldest first: what is delivered here again waits once. */
  readonly #keys = new Map<string, { readonly key: string; readonly stored: Promise<void> }>();
  #last = 0;

  constructor(store: Store) {
    this.#store = store;
    for (let page = store.list(SPACE, { limit: PAGE_COUNT }); page.length > 0;) {
      for (const { key, value } of page) {
        const message = decodeMessage(value);
        if (message) this.#keys.set(message.id, { key, stored: Promise.resolve() });
        this.#last = Number(key);
      }
      page = store.list(SPACE, { limit: PAGE_COUNT, after: page.at(-1)?.key ?? "" });
    }
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Resolves when it is on disk. @throws {EasynetError} OVERLOADED, STORAGE_FULL, STORAGE_FAILED */
  async add(message: BridgedMessage): Promise<void> {
    const known = this.#keys.get(message.id);
    if (known) return known.stored;
    if (this.#keys.size >= WAITING_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "The bridge to NATS", queued: this.#keys.size });
    }
    this.#last += 1;
    const key = String(this.#last).padStart(NUMBER_DIGITS, "0");
    const { id, kind, topic, payload, from } = message;
    const value = encodeValue([id, kind, topic, payload, from ?? null]);
    const stored = this.#store.commit([{ kind: "put", space: SPACE, key, value }]);
    this.#keys.set(id, { key, stored });
    try {
      await stored;
    } catch (error) {
      this.#keys.delete(id);
      throw error;
    }
  }

  /** The oldest ones that are on disk. */
  first(count: number): readonly WaitingMessage[] {
    return this.#store.list(SPACE, { limit: count }).flatMap(({ key, value }) => {
      const message = decodeMessage(value);
      return message ? [{ key, message }] : [];
    });
  }

  /** NATS has them, or never will. What a crash brings back is sent again under its id. */
  async remove(done: readonly WaitingMessage[]): Promise<void> {
    if (done.length === 0) return;
    const writes = done.map(({ key }) => ({ kind: "delete", space: SPACE, key }) as const);
    await this.#store.commit(writes, { durability: "process" });
    for (const { message } of done) this.#keys.delete(message.id);
  }
}

/** Undefined for a row that no version wrote. */
function decodeMessage(bytes: Uint8Array): BridgedMessage | undefined {
  const row = decodeValue(bytes);
  if (!Array.isArray(row)) return undefined;
  const [id, kind, topic, payload, from]: readonly unknown[] = row;
  if (typeof id !== "string" || typeof kind !== "string" || typeof topic !== "string") return undefined;
  return { id, kind, topic, payload, from: typeof from === "string" ? from : undefined };
}
