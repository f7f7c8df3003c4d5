import { type Did, parseDid } from "../../identity/index.ts";
import { EasynetError, formatId } from "../../kernel/index.ts";
import type { Write } from "../../storage/index.ts";
import { readBatch } from "./batch-reader.ts";
import { proofOf } from "./batch-signature.ts";
import { SIGNED_BYTES_MAX, SIGNED_COUNT_MAX } from "./limits.ts";
import type { ReceivedBatch } from "./received-batch.ts";
import { SPACES } from "./rows.ts";
import type { DeliveryShared } from "./shared.ts";

const DIGITS = 15;
const DID_BYTES = 56;
const PAGE_COUNT = 100;

/** The newest signed batches that were handled: any message of them can be shown to others. */
export class SignedBook {
  readonly #shared: DeliveryShared;
  /** Keys, oldest first, and the bytes of their rows. */
  readonly #rows = new Map<string, number>();
  #bytes = 0;
  #last = 0;

  constructor(shared: DeliveryShared) {
    this.#shared = shared;
    for (let after = ""; ;) {
      const page = shared.store.list(SPACES.signed, { limit: PAGE_COUNT, ...(after !== "" && { after }) });
      for (const { key, value } of page) {
        after = key;
        this.#note(key, value.length);
      }
      if (page.length === 0) return;
    }
  }

  /** The caller commits the writes. */
  keep({ sender, bytes }: ReceivedBatch): readonly Write[] {
    const key = String(Math.max(this.#last + 1, this.#shared.clock.nowMs())).padStart(DIGITS, "0");
    const value = Buffer.concat([Buffer.from(sender), bytes]);
    this.#note(key, value.length);
    const writes: Write[] = [{ kind: "put", space: SPACES.signed, key, value }];
    for (const [oldest, byteLength] of this.#rows) {
      if (this.#rows.size <= SIGNED_COUNT_MAX && this.#bytes <= SIGNED_BYTES_MAX) break;
      this.#rows.delete(oldest);
      this.#bytes -= byteLength;
      writes.push({ kind: "delete", space: SPACES.signed, key: oldest });
    }
    return writes;
  }

  /** @throws {EasynetError} PROOF_NOT_FOUND */
  prove(id: string): Uint8Array {
    const { store, mesh } = this.#shared;
    for (const key of [...this.#rows.keys()].toReversed()) {
      const row = Buffer.from(store.get(SPACES.signed, key) ?? []);
      if (row.length === 0) continue;
      const sender: Did = parseDid(row.toString("latin1", 0, DID_BYTES));
      const batch = row.subarray(DID_BYTES);
      const index = readBatch(batch).messages.findIndex((message) => formatId(message.id) === id);
      if (index >= 0) return proofOf(sender, mesh.self, { batch, index });
    }
    throw new EasynetError("PROOF_NOT_FOUND", { id });
  }

  #note(key: string, byteLength: number): void {
    this.#rows.set(key, byteLength);
    this.#bytes += byteLength;
    this.#last = Number(key);
  }
}
