import type { Did } from "../../identity/index.ts";
import { type Clock, EasynetError, type Metrics, type Random, type Timer } from "../../kernel/index.ts";
import { hashText, mixHash } from "../../kernel/index.ts";
import type { FrameType } from "../../wire/index.ts";
import type { VersionVector } from "../clocks/index.ts";
import { BUCKETS_COUNT, differingShares } from "../shares-core.ts";
import { encodeAsk, encodeDigest, encodeEntries, encodeLines, encodePush, encodeWant } from "./codec.ts";
import type { Entries, SyncMessage } from "./codec.ts";
import { emptyEntry, type Merged } from "./entry-core.ts";
import { PAGE_BYTES } from "./limits.ts";
import type { SpaceRows } from "./rows.ts";
import type { SpaceCore, Told, WriteManner, Written } from "./space-core.ts";
import type { Change } from "./types.ts";

/** Changes that were made within this time travel together, ms. */
const PUSH_DELAY_MS = 2;
/** An ask without an answer for this long is made anew, ms. */
const ASK_AGAIN_MS = 5000;
/** Answers to one peer that wait for its link; a further ask is dropped, and made again by whoever asked. */
const ANSWERS_COUNT_MAX = 4;
const EVERY_BUCKET = Array.from({ length: BUCKETS_COUNT }, (_, bucket) => bucket);

export interface ReplicaOptions {
  readonly core: SpaceCore;
  readonly rows: SpaceRows;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  /** False: it could not be sent now. */
  readonly send: (to: Did, type: FrameType, body: Uint8Array) => boolean;
  /** Resolves when a peer takes more; rejects when it is gone. */
  readonly drained: (to: Did) => Promise<void>;
  /** Tells all other replicas in reach. */
  readonly spread: (body: Uint8Array) => void;
  readonly onMerged: (merged: Merged) => void;
  /** What was merged could not be kept on disk. */
  readonly onUnkept: (error: unknown) => void;
}

/** One space on this node: puts its core on disk and in touch with the other replicas. */
export class Replica {
  readonly core: SpaceCore;
  readonly rows: SpaceRows;
  readonly #options: ReplicaOptions;
  /** Peers that were asked: since when, and the next page that is expected; -1 after one that was missed or refused. */
  readonly #asked = new Map<Did, { readonly atMs: number; page: number }>();
  /** When a peer was asked for the last answer that came whole, monotonic ms. */
  readonly heardMs = new Map<Did, number>();
  readonly #answering = new Map<Did, { count: number; last: Promise<void> }>();
  readonly #waiting = new Set<() => void>();
  #untold: Told[] = [];
  #pushTimer: Timer | undefined;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.core = options.core;
    this.rows = options.rows;
  }

  /** Resolves when it is on disk. undefined: nothing to do. @throws {EasynetError} as SharedState.write */
  async write(key: string, change: Change, options: Omit<WriteManner, "nowMs"> = {}): Promise<Written | undefined> {
    const written = this.core.change(key, change, { nowMs: this.#options.clock.nowMs(), ...options });
    if (!written) return undefined;
    this.rows.mark(key, written.added);
    this.#options.onMerged(written);
    this.#wake();
    await this.rows.commit(this.core, "disk");
    this.#untold.push(written.told);
    this.#pushTimer ??= this.#options.clock.setTimer(PUSH_DELAY_MS, () => this.#push());
    return written;
  }

  close(): void {
    this.#pushTimer?.cancel();
    for (const wake of this.#waiting) wake();
  }

  /** Whether all is there, in 300 bytes: the peer says what differs. */
  digest(to: Did): void {
    const salt = Math.floor(this.#options.random.next() * 2 ** 32);
    const sums = this.core.sums(salt);
    this.#sync(to, encodeDigest(this.core.name, { vectorHash: vectorHash(this.core.vector, salt), salt, sums }));
  }

  /** Asks for everything that is missing here; once at a time. */
  ask(to: Did): void {
    const nowMs = this.#options.clock.monotonicMs();
    const asked = this.#asked.get(to);
    if (asked && asked.atMs > nowMs - ASK_AGAIN_MS) return;
    if (this.#sync(to, encodeAsk(this.core.name, this.core.vector))) this.#asked.set(to, { atMs: nowMs, page: 0 });
  }

  /** The link to a peer is gone: what it was asked will not be answered. */
  lost(peer: Did): void {
    this.#asked.delete(peer);
  }

  onPush(from: Did, told: readonly Told[]): void {
    const { merged, missing, refusedCount } = this.core.hear(told, this.#options.clock.nowMs());
    this.#took(merged, refusedCount);
    // A refused change would be refused again: the next digest asks for it, when clocks may agree.
    if (missing && refusedCount === 0) this.ask(from);
  }

  onSync(from: Did, message: SyncMessage): void {
    switch (message.kind) {
      case "digest":
        this.#onDigest(from, message);
        break;
      case "ask":
        this.#answer(from, message.vector);
        break;
      case "lines":
        this.#onLines(from, message);
        break;
      case "want": {
        const entries = message.keys.map((key) => this.core.get(key) ?? emptyEntry(key));
        this.#sendEntries(from, entries);
        break;
      }
    }
  }

  onEntries(from: Did, { page, isLast, vector, entries }: Entries): void {
    const { merged, refusedCount } = this.core.absorb(entries, vector, this.#options.clock.nowMs());
    this.#took(merged, refusedCount);
    if (page === undefined) return;
    const asked = this.#asked.get(from);
    if (!asked) return;
    asked.page = page === asked.page && refusedCount === 0 ? page + 1 : -1;
    if (!isLast) return;
    this.#asked.delete(from);
    if (asked.page === -1) return;
    this.core.learn(vector);
    this.#keep();
    this.heardMs.set(from, asked.atMs);
    this.#wake();
    if (!vector.dominates(this.core.vector)) this.digest(from);
  }

  /** Resolves when `isEnough` holds; looks again whenever something new is known. @throws the reason of `signal` */
  async until(isEnough: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isEnough()) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Forgets old deletes and history. */
  async sweep(): Promise<void> {
    for (const key of this.core.sweep(this.#options.clock.nowMs())) this.rows.mark(key);
    await this.rows.commit(this.core, "process");
    await this.rows.trimHistory(this.core.spec.historyMax);
  }

  #onDigest(from: Did, { vectorHash: theirs, salt, sums }: Extract<SyncMessage, { kind: "digest" }>): void {
    if (theirs !== vectorHash(this.core.vector, salt)) {
      this.ask(from);
      return;
    }
    const buckets = differingShares(this.core.sums(salt), sums);
    if (buckets.length === 0) return;
    this.#options.metrics.count("easynet_state_repairs_total");
    this.#sendLines(from, salt, buckets);
  }

  /** What a peer with that vector lacks, and asks for what it has and this replica has not. */
  #answer(to: Did, vector: VersionVector): void {
    const under = this.#answering.get(to) ?? { count: 0, last: Promise.resolve() };
    if (under.count >= ANSWERS_COUNT_MAX) return;
    under.count += 1;
    this.#answering.set(to, under);
    under.last = under.last
      .then(() => this.#sendAnswer(to, vector))
      .finally(() => {
        under.count -= 1;
        if (under.count === 0) this.#answering.delete(to);
      });
    if (!this.core.vector.dominates(vector)) this.ask(to);
  }

  async #sendAnswer(to: Did, vector: VersionVector): Promise<void> {
    const known = this.core.vector.copy();
    const entries = [...this.core.lacking(vector)];
    if (!this.core.remembersSince(vector)) this.#sendLines(to, 0, EVERY_BUCKET);
    for (const page of encodeEntries(this.core.name, entries, { vector: known, isAnswer: true })) {
      if (!this.#options.send(to, "state-entries", page)) return;
      try {
        await this.#options.drained(to);
      } catch {
        // The link is gone: whoever asked asks again over the next one.
        return;
      }
    }
  }

  #onLines(from: Did, { lines, salt, buckets, vector }: Extract<SyncMessage, { kind: "lines" }>): void {
    const { send, want, merged } = this.core.compare(lines, { salt, buckets }, vector);
    this.#took(merged, 0);
    if (send.length > 0) this.#sendEntries(from, send);
    if (want.length > 0) this.#sync(from, encodeWant(this.core.name, want));
  }

  #sendEntries(to: Did, entries: Iterable<Merged["entry"]>): void {
    const vector = this.core.vector.copy();
    for (const page of encodeEntries(this.core.name, entries, { vector, isAnswer: false })) {
      if (!this.#options.send(to, "state-entries", page)) return;
    }
  }

  #sendLines(to: Did, salt: number, buckets: readonly number[]): void {
    const { vector, name } = this.core;
    for (const page of encodeLines(name, { salt, buckets, vector }, (some) => this.core.lines(salt, some))) {
      if (!this.#sync(to, page)) return;
    }
  }

  #sync(to: Did, body: Uint8Array): boolean {
    return this.#options.send(to, "state-sync", body);
  }

  #took(merged: readonly Merged[], refusedCount: number): void {
    if (refusedCount > 0) this.#options.metrics.count("easynet_state_refused_total", {}, refusedCount);
    for (const each of merged) {
      this.rows.mark(each.entry.key, each.added);
      this.#options.onMerged(each);
    }
    this.#keep();
    this.#wake();
  }

  #keep(): void {
    this.rows.commit(this.core, "process").catch((error: unknown) => this.#options.onUnkept(error));
  }

  #push(): void {
    this.#pushTimer = undefined;
    const told = this.#untold;
    this.#untold = [];
    let page: Told[] = [];
    let bytes = 0;
    for (const each of told) {
      page.push(each);
      bytes += each.key.length + (each.sibling.value?.length ?? 0);
      if (bytes < PAGE_BYTES && each !== told.at(-1)) continue;
      this.#options.spread(encodePush(this.core.name, page));
      page = [];
      bytes = 0;
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

/** Equal vectors have equal hashes; others hardly ever, and then the sums differ or the next salt tells. */
function vectorHash(vector: VersionVector, salt: number): number {
  let sum = 0;
  for (const [writer, counter] of vector.entries()) {
    sum = (sum + mixHash(mixHash(hashText(writer, 0), salt), counter)) >>> 0;
  }
  return sum;
}

export function tooStale(space: string, missing: readonly string[]): EasynetError {
  return new EasynetError("STATE_TOO_STALE", { space, missing: missing.slice(0, 5).join(", ") || "its replicas" });
}
