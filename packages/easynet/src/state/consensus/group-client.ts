import { type Clock, createId, EasynetError, type Timer } from "../../kernel/index.ts";
import { BATCH_BYTES_MAX, BATCH_OPS_MAX, BATCHES_IN_FLIGHT_MAX } from "../critical/limits.ts";
import type { Batch, Operation, Reply } from "../critical/operations.ts";
import type { CallOptions } from "../critical/types.ts";
import type { Proposed } from "./replica.ts";
import { AGAIN_AFTER_MS, LEADER_PATIENCE_MS, WAITING_COUNT_MAX, WRITE_PATIENCE_MS } from "./limits.ts";

/** How a client reaches whoever leads. */
export interface LeaderAccess {
  /** Somebody who leads is known. */
  readonly hasLeader: () => boolean;
  /** Why nobody can lead as things are, when that is certain. */
  readonly hopeless: () => string | undefined;
  readonly propose: (batch: Batch) => Promise<Proposed>;
}

interface Waiting {
  readonly operation: Operation;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Sends operations of this node to whoever leads: those that come together share one entry of the log, and a batch that is
 * repeated to another leader is carried out once, because its session and number say which one it is.
 */
export class GroupClient {
  readonly #group: string;
  readonly #clock: Clock;
  readonly #access: LeaderAccess;
  readonly #waiting: Waiting[] = [];
  readonly #inFlight = new Set<number>();
  #client = "";
  #sequence = 0;
  #opening: Promise<void> | undefined;
  #scheduled = false;
  #stopped = false;

  constructor(group: string, clock: Clock, access: LeaderAccess) {
    this.#group = group;
    this.#clock = clock;
    this.#access = access;
  }

  async execute(operation: Operation, { signal }: CallOptions): Promise<Reply> {
    const hopeless = this.#access.hopeless();
    if (hopeless !== undefined) throw this.refused(hopeless);
    if (this.#waiting.length >= WAITING_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: this.#group, queued: this.#waiting.length });
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal?.reason);
      const settled = (): void => signal?.removeEventListener("abort", onAbort);
      signal?.addEventListener("abort", onAbort);
      this.#waiting.push({
        operation,
        resolve(reply) {
          settled();
          resolve(reply);
        },
        reject(error) {
          settled();
          reject(error);
        },
      });
      this.#schedule();
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const { reject } of this.#waiting.splice(0)) reject(this.refused("the node stops"));
  }

  refused(reason: string): EasynetError {
    return new EasynetError("NO_MAJORITY", { group: this.#group, reason });
  }

  /** After everything that is ready now: what callers send in the same turn travels together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#client === "") {
      this.#opening ??= this.#open().finally(() => {
        this.#opening = undefined;
        this.#schedule();
      });
      return;
    }
    while (this.#waiting.length > 0 && this.#inFlight.size < BATCHES_IN_FLIGHT_MAX) void this.#send(this.#take());
  }

  /** A session, before the first batch. Nothing was done when that fails. */
  async #open(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const client = createId(this.#clock.nowMs());
    const outcome = await this.#deliver({ client, sequence: 0, answeredBelow: 0, operations: [] });
    if (outcome.kind === "replies") {
      this.#client = client;
      this.#sequence = 0;
      return;
    }
    const error = this.refused(outcome.reason);
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #take(): Waiting[] {
    let size = 0;
    let length = 0;
    for (const { operation } of this.#waiting) {
      size += weigh(operation);
      if (length > 0 && (size > BATCH_BYTES_MAX || length >= BATCH_OPS_MAX)) break;
      length += 1;
    }
    return this.#waiting.splice(0, length);
  }

  async #send(taken: readonly Waiting[]): Promise<void> {
    this.#sequence += 1;
    const sequence = this.#sequence;
    const client = this.#client;
    this.#inFlight.add(sequence);
    const answeredBelow = Math.min(...this.#inFlight);
    const operations = taken.map(({ operation }) => operation);
    const outcome = await this.#deliver({ client, sequence, answeredBelow, operations });
    this.#inFlight.delete(sequence);
    const hasEnded = outcome.kind === "replies" && !outcome.replies;
    if (hasEnded && this.#client === client) this.#client = "";
    if (outcome.kind === "replies" && outcome.replies) {
      const { replies } = outcome;
      for (const [index, { resolve }] of taken.entries()) resolve(replies[index] ?? { kind: "forgotten" });
    } else if (outcome.kind === "replies" && !outcome.repeated) {
      // The session ended before: nothing was done, and the next one takes them.
      this.#waiting.unshift(...taken);
    } else {
      const error = this.#failure(outcome);
      for (const { reject } of taken) reject(error);
    }
    this.#schedule();
  }

  #failure(outcome: Delivered): EasynetError {
    if (outcome.kind === "refused" && !outcome.repeated) return this.refused(outcome.reason);
    const reason = outcome.kind === "refused" ? outcome.reason : "the answer is not kept any more";
    return new EasynetError("OUTCOME_UNKNOWN", { subject: `A write to ${this.#group}`, reason });
  }

  /** To one leader after the other until one answers, or there is no hope. */
  async #deliver(batch: Batch): Promise<Delivered> {
    const startedAtMs = this.#clock.monotonicMs();
    let repeated = false;
    for (;;) {
      const waitedMs = this.#clock.monotonicMs() - startedAtMs;
      const hopeless = this.#stopped ? "the node stops" : this.#access.hopeless();
      if (hopeless !== undefined) return { kind: "refused", reason: hopeless, repeated };
      if (this.#access.hasLeader()) {
        const outcome = await this.#access.propose(batch);
        if (outcome.kind === "replies") return { ...outcome, repeated };
        // It may be in the log of a leader that is gone, and come true.
        if (outcome.kind === "moved") repeated = true;
      } else if (!repeated && waitedMs > LEADER_PATIENCE_MS) {
        return { kind: "refused", reason: "nobody leads", repeated };
      }
      if (waitedMs > WRITE_PATIENCE_MS) return { kind: "refused", reason: "no leader answered in time", repeated };
      await this.#pause();
    }
  }

  async #pause(): Promise<Timer> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(AGAIN_AFTER_MS, () => resolve(timer));
    });
  }
}

type Delivered =
  | { readonly kind: "replies"; readonly replies: readonly Reply[] | undefined; readonly repeated: boolean }
  | { readonly kind: "refused"; readonly reason: string; readonly repeated: boolean };

function weigh(operation: Operation): number {
  const value = "value" in operation ? (operation.value?.length ?? 0) : 0;
  return value + 64;
}
