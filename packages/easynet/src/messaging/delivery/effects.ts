import type { Did } from "../../identity/index.ts";
import { EasynetError } from "../../kernel/index.ts";
import { type Store, weighWrites, type Write } from "../../storage/index.ts";
import { type CheckedMessage, checkMessage } from "./check-message.ts";
import { TRANSACTION_BYTES_MAX, UNCOMMITTED_BYTES_MAX, UNCOMMITTED_WRITES_MAX } from "./limits.ts";
import type { OutgoingMessage, Transaction } from "./types.ts";

/** Between the names of a space and a key: neither may hold it. */
const NUL = "\0";

export interface PendingSend {
  readonly to: Did;
  readonly message: CheckedMessage;
}

/** What handlers did that is not committed yet. Later handlers see it. */
export class PendingEffects {
  readonly #store: Store;
  /** Latest uncommitted value of each key; undefined: deleted. The number says which commit takes it. */
  readonly #values = new Map<string, { readonly value: Uint8Array | undefined; readonly group: number }>();
  #writes: Write[] = [];
  #bytes = 0;
  #group = 1;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Nothing more is to be added before the next commit. */
  get full(): boolean {
    return this.#writes.length >= UNCOMMITTED_WRITES_MAX || this.#bytes >= UNCOMMITTED_BYTES_MAX;
  }

  get(space: string, key: string): Uint8Array | undefined {
    if (this.#values.size > 0) {
      const pending = this.#values.get(space + NUL + key);
      if (pending) return pending.value && Uint8Array.from(pending.value);
    }
    return this.#store.get(space, key);
  }

  add(writes: readonly Write[]): void {
    for (const write of writes) {
      const value = write.kind === "put" ? write.value : undefined;
      this.#values.set(write.space + NUL + write.key, { value, group: this.#group });
      this.#bytes += value?.length ?? 0;
      this.#writes.push(write);
    }
  }

  /** Messages of handlers that leave with the next commit. */
  addBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  /** The writes of the next commit; `committed` with its number follows when it is done. */
  take(): { readonly writes: readonly Write[]; readonly group: number } {
    const taken = { writes: this.#writes, group: this.#group };
    this.#writes = [];
    this.#bytes = 0;
    this.#group += 1;
    return taken;
  }

  committed({ writes, group }: { readonly writes: readonly Write[]; readonly group: number }): void {
    for (const { space, key } of writes) {
      const name = space + NUL + key;
      if (this.#values.get(name)?.group === group) this.#values.delete(name);
    }
  }
}

export interface TransactionHost {
  readonly effects: PendingEffects;
  /** @throws {EasynetError} when the outbox of the recipient takes nothing */
  readonly checkRoom: (to: Did, message: CheckedMessage) => void;
}

/** What one handler collects; applied when it ends well, forgotten when not. */
export class HandlerTransaction implements Transaction {
  writes: Write[] | undefined;
  sends: PendingSend[] | undefined;
  /** What it weighs in a commit. */
  bytes = 0;
  #host: TransactionHost | undefined;

  constructor(host: TransactionHost) {
    this.#host = host;
  }

  get(space: string, key: string): Uint8Array | undefined {
    const { effects } = this.#open();
    const own = this.writes?.findLast((write) => write.key === key && write.space === space);
    if (!own) return effects.get(space, key);
    return own.kind === "put" ? Uint8Array.from(own.value) : undefined;
  }

  put(space: string, key: string, value: Uint8Array): void {
    this.#write({ kind: "put", space, key, value });
  }

  delete(space: string, key: string): void {
    this.#write({ kind: "delete", space, key });
  }

  send(to: Did, message: OutgoingMessage): void {
    const host = this.#open();
    const checked = checkMessage({ ...message, payload: Uint8Array.from(message.payload) });
    host.checkRoom(to, checked);
    this.#weigh(checked.payload.length + checked.textBytes);
    (this.sends ??= []).push({ to, message: checked });
  }

  /** Its handler has ended. */
  end(): void {
    this.#host = undefined;
  }

  /** Checked here: one bad write would take all others of its commit with it. */
  #write(write: Write): void {
    this.#open();
    this.#weigh(weighWrites([write]));
    (this.writes ??= []).push(write.kind === "put" ? { ...write, value: Uint8Array.from(write.value) } : write);
  }

  #weigh(bytes: number): void {
    if (this.bytes + bytes > TRANSACTION_BYTES_MAX) {
      const reason = `it weighs more than ${TRANSACTION_BYTES_MAX} bytes`;
      throw new EasynetError("INVALID_ARGUMENT", { subject: "A transaction", reason });
    }
    this.bytes += bytes;
  }

  #open(): TransactionHost {
    if (this.#host) return this.#host;
    throw new EasynetError("INVALID_ARGUMENT", {
      subject: "A transaction",
      reason: "its handler has ended; write and send before the handler returns or its promise settles",
    });
  }
}
