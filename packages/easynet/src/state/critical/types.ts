/** What a key holds. The bytes are shared with the store: they are not to be changed. */
export interface CriticalEntry {
  /** 1 to 512 bytes of UTF-8 without NUL. */
  readonly key: string;
  /** Up to 256 KiB. */
  readonly value: Uint8Array;
  /** Number of the write that made this value: it rises with every write, whatever key it is for. From 1. */
  readonly revision: number;
}

/** A key as it is now: written, or gone. Events of one store come in order of their revisions, none twice. */
export interface CriticalEvent {
  readonly key: string;
  /** Absent: the key was deleted. */
  readonly value?: Uint8Array | undefined;
  readonly revision: number;
}

export interface CallOptions {
  /** Gives up waiting; whether a write took place is then not known. */
  readonly signal?: AbortSignal | undefined;
}

export interface CompareAndSet {
  readonly key: string;
  /** Revision that the key must have; 0 = the key must not be there. */
  readonly revision: number;
  /** Absent: deletes the key. */
  readonly value?: Uint8Array | undefined;
}

/** Losing is a normal outcome, not a failure. */
export type SetOutcome =
  | { readonly done: true; readonly revision: number }
  /** Another revision was there: nothing was changed. `current` is what is there, undefined when nothing is. */
  | { readonly done: false; readonly current: CriticalEntry | undefined };

export interface ListOptions extends CallOptions {
  /** Only keys after this one. */
  readonly after?: string | undefined;
  /** Entries, 1 to 1,000. @default 1000 */
  readonly limit?: number | undefined;
}

/**
 * Who may act on a resource. `token` is larger than that of every earlier grant of it (the log index of the grant; with
 * etcd the mod_revision of the ownership key). Whatever takes effects for the owner is given the token and refuses one
 * that is smaller than it saw (FenceGuard): a holder that was paused or cut off for longer than the time believes that
 * it still holds the lease, and no clock can tell it in time.
 */
export interface Lease {
  readonly resource: string;
  readonly owner: string;
  readonly token: number;
  /** Time after which it is taken back unless it is kept alive, ms. */
  readonly ttlMs: number;
}

export interface AcquireLease {
  /** What is owned: 1 to 400 bytes of UTF-8 without NUL. */
  readonly resource: string;
  /** Who owns it: 1 to 400 bytes of UTF-8. The same owner asking again gets a new grant with a larger token. */
  readonly owner: string;
  /** 1,000 to 86,400,000 ms. */
  readonly ttlMs: number;
}

export type LeaseOutcome =
  | { readonly granted: true; readonly lease: Lease }
  /** Somebody else holds it. */
  | { readonly granted: false; readonly holder: Lease };

/**
 * Few small facts that no node owns and of which there may be only one: who leads, who has a name, what was decided.
 * Every call is linearizable: it takes effect once, between call and answer, and everybody sees the same order.
 * Adapters: our Raft group, etcd, and the in-memory twin; one contract suite for all.
 *
 * Every method may throw NO_MAJORITY (not possible now and nothing was done; at once, not after a time limit),
 * OUTCOME_UNKNOWN (a write that may or may not have taken place; reads never), INVALID_ARGUMENT (beyond a limit),
 * QUOTA_EXCEEDED (the store is full; deletes still work) and the reason of `signal`.
 */
export interface CriticalStore {
  get(key: string, options?: CallOptions): Promise<CriticalEntry | undefined>;
  /** Resolves to the revision of the write. */
  put(key: string, value: Uint8Array, options?: CallOptions): Promise<number>;
  /** False: it was not there. */
  delete(key: string, options?: CallOptions): Promise<boolean>;
  compareAndSet(change: CompareAndSet, options?: CallOptions): Promise<SetOutcome>;
  /** Entries in order of the UTF-8 bytes of their keys; an empty page is the end. */
  list(prefix: string, options?: ListOptions): Promise<readonly CriticalEntry[]>;
  /**
   * Every later change of keys with this prefix. Resolves when it watches; a change made after that is not missed, one
   * made while the connection was lost is told later, possibly folded into the last one of its key.
   */
  watch(prefix: string, listener: (event: CriticalEvent) => void): Promise<Disposable>;
  /**
   * Adds to the counter under a key (decimal digits as its value; absent = 0) and resolves to the sum.
   * @param by safe integer @throws {EasynetError} INVALID_ARGUMENT when the key holds something else, or the sum is no safe integer
   */
  add(key: string, by: number, options?: CallOptions): Promise<number>;
  acquire(request: AcquireLease, options?: CallOptions): Promise<LeaseOutcome>;
  /** Its time starts anew. False: this grant is over (it ran out, was released, or granted to another). */
  keepAlive(lease: Lease, options?: CallOptions): Promise<boolean>;
  /** False: this grant was over already. */
  release(lease: Lease, options?: CallOptions): Promise<boolean>;
  /** Who holds the resource now. */
  holder(resource: string, options?: CallOptions): Promise<Lease | undefined>;
}
