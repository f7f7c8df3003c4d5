import type { Did } from "../identity/index.ts";
import { createId, EasynetError, toEasynetError } from "../kernel/index.ts";
import {
  type DeadLetter,
  type Delivery,
  isHopeless,
  type OutgoingMessage,
  type SentMessage,
  type Transaction,
} from "../messaging/index.ts";
import type { Priority } from "../model/index.ts";
import type { Store, Write } from "../storage/index.ts";

const ATTEMPTS_MAX = 5;

interface Letter {
  readonly from: Did;
  readonly to: Did;
  readonly id: string;
  readonly priority: Priority;
  readonly sequence: number;
  readonly message: OutgoingMessage;
  readonly sentAtMs: number;
  attempt: number;
  readonly taken: () => void;
}

/** What lies between the deliveries of a test: letters for those who are not there wait for them. */
export class FakePost {
  readonly #letters = new Map<string, Letter[]>();
  readonly #receivers = new Map<Did, FakeDelivery>();
  #sequence = 0;
  nowMs = 1_000;

  attach(did: Did, delivery: FakeDelivery): void {
    this.#receivers.set(did, delivery);
    for (const name of this.#letters.keys()) if (name.includes(`>${did}>`)) this.#run(name);
  }

  detach(did: Did, delivery: FakeDelivery): void {
    if (this.#receivers.get(did) === delivery) this.#receivers.delete(did);
  }

  post(from: Did, to: Did, message: OutgoingMessage): SentMessage {
    const priority = message.priority ?? "normal";
    const id = message.id ?? createId(this.nowMs);
    const name = `${from}>${to}>${priority}`;
    const acknowledged = Promise.withResolvers<void>();
    const rest = { sequence: ++this.#sequence, message, sentAtMs: this.nowMs, attempt: 1 };
    const letter: Letter = { from, to, id, priority, ...rest, taken: acknowledged.resolve };
    const letters = this.#letters.get(name);
    if (letters) letters.push(letter);
    else this.#letters.set(name, [letter]);
    if (!letters || letters.length === 1) this.#run(name);
    return { id, stored: Promise.resolve(), acknowledged: acknowledged.promise };
  }

  waiting(): readonly { readonly from: Did; readonly to: Did; readonly priority: Priority; readonly queued: number }[] {
    return [...this.#letters.values()].flatMap((letters) => {
      const [first] = letters;
      return first ? [{ from: first.from, to: first.to, priority: first.priority, queued: letters.length }] : [];
    });
  }

  #run(name: string): void {
    queueMicrotask(() => void this.#drain(name));
  }

  async #drain(name: string): Promise<void> {
    const letters = this.#letters.get(name) ?? [];
    for (let letter = letters[0]; letter; letter = letters[0]) {
      const receiver = this.#receivers.get(letter.to);
      if (!receiver || receiver.busy.has(name)) return;
      receiver.busy.add(name);
      letter.taken();
      const handled = await receiver.take(letter);
      receiver.busy.delete(name);
      // Of a receiver that went away meanwhile the letter is handled again by the next.
      if (this.#receivers.get(letter.to) !== receiver && !handled) continue;
      letters.shift();
    }
    this.#letters.delete(name);
  }
}

/**
 * The delivery between nodes without links, batches or acknowledgements: in order per sender and priority, once in
 * effect, five attempts, and what a handler wrote commits with it. For tests of what stands on a delivery.
 */
export class FakeDelivery implements Delivery {
  readonly busy = new Set<string>();
  readonly dead: DeadLetter[] = [];
  readonly #post: FakePost;
  readonly #self: Did;
  readonly #store: Store;
  #handler: Parameters<Delivery["handle"]>[0] | undefined;
  #closed = false;

  constructor(options: { readonly post: FakePost; readonly self: Did; readonly store: Store }) {
    this.#post = options.post;
    this.#self = options.self;
    this.#store = options.store;
  }

  readonly deadLetters: Delivery["deadLetters"] = {
    list: () => this.dead,
    requeue: async (key) => this.#remove(key),
    drop: async (key) => this.#remove(key),
  };

  send(to: Did, message: OutgoingMessage): SentMessage {
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    return this.#post.post(this.#self, to, message);
  }

  async drained(): Promise<void> {
    // Its outbox has no limit.
  }

  handle(handler: Parameters<Delivery["handle"]>[0]): void {
    this.#handler = handler;
    this.#post.attach(this.#self, this);
  }

  outbox(): ReturnType<Delivery["outbox"]> {
    const mine = this.#post.waiting().filter(({ from }) => from === this.#self);
    return mine.map(({ to, priority, queued }) => ({ peer: to, priority, queued, bytes: 0, oldestAtMs: 0 }));
  }

  held(): ReturnType<Delivery["held"]> {
    return [];
  }

  prove(id: string): Uint8Array {
    throw new EasynetError("PROOF_NOT_FOUND", { id });
  }

  counts(): ReturnType<Delivery["counts"]> {
    return { sent: 0, acknowledged: 0, received: 0, duplicates: 0, handled: 0, expired: 0, dead: this.dead.length };
  }

  async forget(): Promise<void> {
    // It knows nobody.
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#post.detach(this.#self, this);
  }

  /** True when the letter is done with: handled and committed, or dead. */
  async take(letter: Letter): Promise<boolean> {
    for (; letter.attempt <= ATTEMPTS_MAX; letter.attempt++) {
      try {
        await this.#handleOnce(letter);
        return true;
      } catch (thrown) {
        if (this.#closed) return false;
        const isRefused = isHopeless(thrown);
        if (!isRefused && letter.attempt < ATTEMPTS_MAX) continue;
        this.dead.push({ ...deadLetterOf(letter, toEasynetError(thrown)), ...(isRefused && { reason: "refused" }) });
        return true;
      }
    }
    return true;
  }

  async #handleOnce(letter: Letter): Promise<void> {
    const { from, id, priority, sequence, message, attempt, sentAtMs } = letter;
    const { kind, payload, durability = "disk", expiresInMs = 300_000, correlationId, trace, cause, session } = message;
    const writes: Write[] = [];
    const outgoing: { readonly to: Did; readonly message: OutgoingMessage }[] = [];
    const transaction: Transaction = {
      get: (space, key) => this.#store.get(space, key),
      put: (space, key, value) => void writes.push({ kind: "put", space, key, value }),
      delete: (space, key) => void writes.push({ kind: "delete", space, key }),
      send: (to, sent) => void outgoing.push({ to, message: sent }),
    };
    const identity = { sender: from, epoch: 1, priority, sequence, id, attempt, durability };
    const times = { sentAtMs, expiresAtMs: sentAtMs + expiresInMs };
    const about = { correlationId, trace, cause, session, from: message.from, to: message.to };
    await this.#handler?.({ ...identity, kind, payload, ...times, ...about }, transaction);
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    if (writes.length > 0) await this.#store.commit(writes);
    for (const { to, message: sent } of outgoing) this.send(to, sent);
  }

  #remove(key: string): void {
    const index = this.dead.findIndex((letter) => letter.key === key);
    if (index < 0) throw new EasynetError("INVALID_ARGUMENT", { subject: "The letter", reason: "it is not here" });
    this.dead.splice(index, 1);
  }
}

function deadLetterOf({ from, id, priority, message, attempt }: Letter, error: EasynetError): DeadLetter {
  const { kind, payload } = message;
  const about = { peer: from, priority, id, kind, payload, attempts: attempt, diedAtMs: 0 };
  return { key: id, direction: "in", reason: "failed", ...about, firstError: error.message, lastError: error.message };
}
