import { EasynetError, type Random } from "../../packages/easynet/src/kernel/index.ts";
import type { CommitOptions, Entry, ListOptions, Store, Write } from "../../packages/easynet/src/storage/index.ts";
import type { VirtualClock } from "../../packages/easynet/src/testing/index.ts";

/** `early`: says that it is on disk before it is. `forgets-positions`: never writes what was taken and handled. */
export type StoreBug = "early" | "forgets-positions";

interface Commit {
  readonly writes: readonly Write[];
  readonly sync: boolean;
  readonly done: PromiseWithResolvers<void>;
}

/** Rows in order of their keys, which are ASCII here. */
class Rows {
  readonly #spaces = new Map<string, Map<string, Uint8Array>>();

  put(write: Write): void {
    let space = this.#spaces.get(write.space);
    if (!space) this.#spaces.set(write.space, (space = new Map()));
    if (write.kind === "put") space.set(write.key, write.value);
    else space.delete(write.key);
  }

  get(space: string, key: string): Uint8Array | undefined {
    const value = this.#spaces.get(space)?.get(key);
    return value && Uint8Array.from(value);
  }

  list(space: string, { after = "", limit = 1000 }: ListOptions): readonly Entry[] {
    const values = this.#spaces.get(space);
    if (!values) return [];
    const keys = [...values.keys()].filter((key) => key > after).sort();
    return keys.slice(0, limit).map((key) => ({ key, value: Uint8Array.from(values.get(key) ?? []) }));
  }

  copy(): Rows {
    const rows = new Rows();
    for (const [name, values] of this.#spaces) rows.#spaces.set(name, new Map(values));
    return rows;
  }
}

/**
 * A disk that takes its time: commits are written in groups, and synced when one of the group asks for it. A crash keeps
 * what was synced, and of the rest only the first few.
 */
export class SlowDisk implements Store {
  full = false;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #bug: StoreBug | undefined;
  readonly #syncMsMax: number;
  /** What a process sees, and what a crash leaves. */
  readonly #seen: Rows;
  readonly #kept: Rows;
  #waiting: Commit[] = [];
  #syncing: Commit[] = [];
  /** Written and seen, not synced. */
  #unsynced: Commit[] = [];
  #crashed = false;

  constructor(
    ports: { readonly clock: VirtualClock; readonly random: Random; readonly syncMsMax: number },
    bug?: StoreBug,
    kept = new Rows(),
  ) {
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#syncMsMax = ports.syncMsMax;
    this.#bug = bug;
    this.#kept = kept;
    this.#seen = kept.copy();
  }

  async commit(writes: readonly Write[], { durability = "disk" }: CommitOptions = {}): Promise<void> {
    if (this.#crashed) return new Promise(() => undefined);
    if (this.full) {
      await Promise.resolve();
      throw new EasynetError("STORAGE_FULL", { path: ":simulated:" });
    }
    const taken = writes
      .filter((write) => this.#bug !== "forgets-positions" || write.space !== "message-positions")
      .map((write) => (write.kind === "put" ? { ...write, value: Uint8Array.from(write.value) } : write));
    const commit = { writes: taken, sync: durability === "disk", done: Promise.withResolvers<void>() };
    this.#waiting.push(commit);
    if (this.#syncing.length === 0) this.#sync();
    if (this.#bug === "early") {
      for (const write of taken) this.#seen.put(write);
      return undefined;
    }
    return commit.done.promise;
  }

  get(space: string, key: string): Uint8Array | undefined {
    return this.#seen.get(space, key);
  }

  list(space: string, options: ListOptions = {}): readonly Entry[] {
    return this.#seen.list(space, options);
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  /** What the next life finds: everything that was synced, and of what was under way the first few commits. */
  crash(): SlowDisk {
    this.#crashed = true;
    const underWay = [...this.#unsynced, ...this.#syncing, ...this.#waiting];
    const landed = this.#bug === "early" ? 0 : Math.floor(this.#random.next() * (underWay.length + 1));
    for (const { writes } of underWay.slice(0, landed)) for (const write of writes) this.#kept.put(write);
    const ports = { clock: this.#clock, random: this.#random, syncMsMax: this.#syncMsMax };
    return new SlowDisk(ports, this.#bug, this.#kept);
  }

  #sync(): void {
    this.#syncing = this.#waiting.splice(0);
    if (this.#syncing.length === 0) return;
    const synced = this.#syncing.some(({ sync }) => sync);
    this.#clock.setTimer(0.1 + (synced ? this.#random.next() * this.#syncMsMax : 0), () => {
      if (this.#crashed) return;
      for (const commit of this.#syncing) {
        if (this.#bug !== "early") for (const write of commit.writes) this.#seen.put(write);
        this.#unsynced.push(commit);
        commit.done.resolve();
      }
      if (synced) {
        for (const { writes } of this.#unsynced.splice(0)) for (const write of writes) this.#kept.put(write);
      }
      this.#sync();
    });
  }
}
