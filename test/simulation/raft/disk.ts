/**
 * The disk of one member: writes wait for the sync that is under way, and the next sync takes all of them. What has been
 * asked for and not answered may or may not be there after a crash, as a prefix of what was asked.
 */
import type { MemoryStorage } from "../../../packages/easynet/src/state/raft/memory-storage.ts";
import type { Message } from "../../../packages/easynet/src/state/raft/types.ts";
import type { Random } from "../../../packages/easynet/src/kernel/index.ts";
import type { EventWheel } from "./event-wheel.ts";

export interface DiskOptions {
  readonly wheel: EventWheel;
  readonly random: Random;
  /** What there is after a crash. */
  readonly durable: MemoryStorage;
  /** What the process reads; another one only with the planted fault. */
  readonly visible: MemoryStorage;
  readonly syncMs: () => number;
  readonly onWritten: (work: Message) => void;
}

export class Disk {
  readonly #options: DiskOptions;
  #asked: Message[] = [];
  #syncing: Message[] = [];
  #alive = true;

  constructor(options: DiskOptions) {
    this.#options = options;
  }

  /** @param work a MsgStorageAppend */
  write(work: Message): void {
    this.#asked.push(work);
    if (this.#answersEarly) this.#options.wheel.after(0, () => this.#answer(work));
    if (this.#syncing.length === 0) this.#sync();
  }

  /** Planted fault: it answers before the write is durable. */
  get #answersEarly(): boolean {
    return this.#options.visible !== this.#options.durable;
  }

  #answer(work: Message): void {
    if (!this.#alive) return;
    if (this.#answersEarly) keep(this.#options.visible, work);
    this.#options.onWritten(work);
  }

  /** What was under way is lost, but for a prefix. */
  crash(): void {
    this.#alive = false;
    const pending = [...this.#syncing, ...this.#asked];
    const keptCount = Math.floor(this.#options.random.next() * (pending.length + 1));
    for (const work of pending.slice(0, keptCount)) keep(this.#options.durable, work);
  }

  #sync(): void {
    this.#syncing = this.#asked;
    this.#asked = [];
    this.#options.wheel.after(this.#options.syncMs(), () => this.#finish());
  }

  #finish(): void {
    if (!this.#alive) return;
    const done = this.#syncing;
    this.#syncing = [];
    for (const work of done) {
      keep(this.#options.durable, work);
      if (!this.#answersEarly) this.#answer(work);
    }
    if (this.#asked.length > 0 && this.#syncing.length === 0) this.#sync();
  }
}

/** What a MsgStorageAppend asks for. */
function keep(storage: MemoryStorage, { term, vote, commit, snapshot, entries }: Message): void {
  if (snapshot) storage.applySnapshot(snapshot);
  if (entries.length > 0) storage.append(entries);
  if (term > 0 || vote > 0 || commit > 0) storage.setHardState({ term, vote, commit });
}
