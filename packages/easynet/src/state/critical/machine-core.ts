import { Items } from "./items-core.ts";
import { ITEM_OVERHEAD_BYTES, QUOTA_BYTES_MAX } from "./limits.ts";
import type { Batch, Operation, Query, QueryAnswer, Reply } from "./operations.ts";
import { keptReply, Sessions } from "./sessions-core.ts";
import type { CriticalEntry, CriticalEvent, Lease } from "./types.ts";

export interface Applied {
  /** One for each operation; undefined when the session of the client is not there (any more): nothing was done. */
  readonly replies: readonly Reply[] | undefined;
  /** What changed for those who watch; empty for a repeated batch. */
  readonly events: readonly CriticalEvent[];
}

/**
 * The replicated state: the same batches in the same order give the same state, replies and events everywhere. It knows
 * no clock and no leases' ends: who leads measures them and releases through the log.
 */
export class Machine {
  readonly items = new Items();
  readonly leases = new Map<string, Lease>();
  readonly sessions = new Sessions();
  #revision = 0;
  #timeMs = 0;
  #leaseBytes = 0;

  /** Of the last operation that changed something. A lease's token is the revision of its grant. */
  get revision(): number {
    return this.#revision;
  }

  /** The time of the log: the latest that a leader stamped on an entry, Unix epoch ms. */
  get timeMs(): number {
    return this.#timeMs;
  }

  get bytes(): number {
    return this.items.bytes + this.#leaseBytes;
  }

  /** @param timeMs wall clock of the leader that proposed it; one that is behind does not turn the log's time back */
  apply(batch: Batch, timeMs: number): Applied {
    this.#timeMs = Math.max(this.#timeMs, timeMs);
    if (batch.sequence === 0) {
      this.sessions.open(batch.client, this.#timeMs);
      return { replies: [], events: [] };
    }
    const session = this.sessions.use(batch, this.#timeMs);
    if (!session || batch.sequence < session.answeredBelow) return { replies: undefined, events: [] };
    const before = session.replies.get(batch.sequence);
    if (before) return { replies: before, events: [] };
    const events: CriticalEvent[] = [];
    const replies = batch.operations.map((operation) => this.#perform(operation, events));
    session.replies.set(batch.sequence, replies.map(keptReply));
    return { replies, events };
  }

  /** What only the leader does, outside of every session. */
  applyOwn(operation: Extract<Operation, { readonly kind: "release" }>): void {
    this.#perform(operation, []);
  }

  query(query: Query): QueryAnswer {
    switch (query.kind) {
      case "get": {
        const entry = this.items.get(query.key);
        return { kind: "entries", entries: entry ? [entry] : [] };
      }
      case "list":
        return { kind: "entries", entries: this.items.list(query.prefix, query.after, query.limit) };
      case "holder":
      default:
        return { kind: "lease", lease: this.leases.get(query.resource) };
    }
  }

  /** What was replied to a batch of a client, if it was carried out and the client may still ask. */
  repliesTo(client: string, sequence: number): readonly Reply[] | undefined {
    return this.sessions.get(client)?.replies.get(sequence);
  }

  /** To build a state again from its parts. */
  restoreNumbers(revision: number, timeMs: number): void {
    this.#revision = revision;
    this.#timeMs = timeMs;
  }

  restoreLease(lease: Lease): void {
    this.leases.set(lease.resource, lease);
    this.#leaseBytes += weigh(lease);
  }

  /** Leaves a gap in the numbers: whatever was granted beyond what this state knows of stays smaller. */
  skipRevisions(count: number): void {
    this.#revision += count;
  }

  #perform(operation: Operation, events: CriticalEvent[]): Reply {
    switch (operation.kind) {
      case "put":
        return this.#write(operation.key, operation.value, events);
      case "delete":
        return { kind: "removed", found: this.#remove(operation.key, events) !== undefined };
      case "set":
        return this.#set(operation, events);
      case "add":
        return this.#add(operation.key, operation.by, events);
      case "acquire":
        return this.#acquire(operation);
      case "release":
      default: {
        const found = this.leases.get(operation.resource)?.token === operation.token;
        if (found) this.#dropLease(operation.resource);
        return { kind: "removed", found };
      }
    }
  }

  #write(key: string, value: Uint8Array, events: CriticalEvent[]): Reply {
    const growth = this.items.growth(key, value.length);
    if (growth > 0 && this.bytes + growth > QUOTA_BYTES_MAX) return { kind: "full" };
    const entry: CriticalEntry = { key, value, revision: ++this.#revision };
    this.items.set(entry);
    events.push(entry);
    return { kind: "written", revision: entry.revision };
  }

  #remove(key: string, events: CriticalEvent[]): number | undefined {
    if (!this.items.delete(key)) return undefined;
    const revision = ++this.#revision;
    events.push({ key, revision });
    return revision;
  }

  #set({ key, revision, value }: Extract<Operation, { readonly kind: "set" }>, events: CriticalEvent[]): Reply {
    const current = this.items.get(key);
    if ((current?.revision ?? 0) !== revision) return { kind: "unchanged", current };
    if (value) return this.#write(key, value, events);
    return { kind: "written", revision: this.#remove(key, events) ?? this.#revision };
  }

  #add(key: string, by: number, events: CriticalEvent[]): Reply {
    const current = this.items.get(key);
    const before = current ? counterOf(current.value) : 0;
    const sum = before === undefined ? undefined : before + by;
    if (sum === undefined) return { kind: "invalid", reason: "it holds something else than a counter" };
    if (!Number.isSafeInteger(sum)) return { kind: "invalid", reason: "the counter would pass what a number holds" };
    const reply = this.#write(key, new TextEncoder().encode(String(sum)), events);
    return reply.kind === "written" ? { kind: "sum", sum } : reply;
  }

  #acquire({ resource, owner, ttlMs }: Extract<Operation, { readonly kind: "acquire" }>): Reply {
    const holder = this.leases.get(resource);
    if (holder && holder.owner !== owner) return { kind: "held", lease: holder };
    const lease: Lease = { resource, owner, ttlMs, token: this.#revision + 1 };
    if (!holder && this.bytes + weigh(lease) > QUOTA_BYTES_MAX) return { kind: "full" };
    if (holder) this.#dropLease(resource);
    this.#revision += 1;
    this.restoreLease(lease);
    return { kind: "granted", lease };
  }

  #dropLease(resource: string): void {
    const lease = this.leases.get(resource);
    if (!lease) return;
    this.leases.delete(resource);
    this.#leaseBytes -= weigh(lease);
  }
}

/** The number that a counter's value says, undefined for other values. */
export function counterOf(value: Uint8Array): number | undefined {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
  const count = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(count) ? count : undefined;
}

function weigh({ resource, owner }: Lease): number {
  return Buffer.byteLength(resource) + Buffer.byteLength(owner) + ITEM_OVERHEAD_BYTES;
}
