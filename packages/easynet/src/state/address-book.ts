import { type Did, isDid } from "../identity/index.ts";
import { type Logger, toEasynetError } from "../kernel/index.ts";
import type { Store } from "../storage/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";

const SPACE = "directory-addresses";
const ADDRESSES_COUNT_MAX = 5000;

/** Where members were last, kept over a restart: a node finds its network again without anybody's help. */
export class AddressBook {
  readonly #store: Store | undefined;
  readonly #logger: Logger;

  constructor(store: Store | undefined, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** At most 5,000. */
  load(): { readonly did: Did; readonly addresses: readonly string[] }[] {
    const rows = this.#store?.list(SPACE, { limit: ADDRESSES_COUNT_MAX }) ?? [];
    return rows.flatMap(({ key, value }) => {
      const addresses = decodeValue(value);
      return isDid(key) && isTexts(addresses) ? [{ did: key, addresses }] : [];
    });
  }

  remember(did: Did, addresses: readonly string[]): void {
    this.#commit({ kind: "put", space: SPACE, key: did, value: encodeValue(addresses) });
  }

  forget(did: Did): void {
    this.#commit({ kind: "delete", space: SPACE, key: did });
  }

  /** A lost address is learnt again from others: a full disk must not stop the directory. */
  #commit(write: Parameters<Store["commit"]>[0][number]): void {
    this.#store?.commit([write]).catch((error: unknown) => {
      this.#logger.warn("address not stored", { code: toEasynetError(error).code });
    });
  }
}

/** Forgets every member: this machine leaves their network. */
export async function forgetAddresses(store: Store): Promise<void> {
  const rows = store.list(SPACE, { limit: ADDRESSES_COUNT_MAX });
  await store.commit(rows.map(({ key }) => ({ kind: "delete", space: SPACE, key })));
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
