import type { Did } from "../../identity/index.ts";

/**
 * What several writes of one key come to.
 * - `last-writer`: the one with the latest hybrid clock stamp.
 * - `set`: elements; an add that a concurrent remove did not see stays (add wins).
 * - `counter`: the sum of all increments.
 * - `max`: the largest number.
 * - `keep-both`: all that were written without knowing of each other, until somebody decides.
 */
export const MERGE_RULES = ["last-writer", "set", "counter", "max", "keep-both"] as const;
export type MergeRule = (typeof MERGE_RULES)[number];

/** What a space shall be; what is absent is as in {@link DEFAULT_SPACE}. */
export interface SpaceDeclaration {
  readonly merge?: MergeRule | undefined;
  /** "everyone", or the dids of 1 to 64 nodes. */
  readonly replicas?: "everyone" | readonly string[] | undefined;
  readonly entriesMax?: number | undefined;
  readonly bytesMax?: number | undefined;
  readonly valueBytesMax?: number | undefined;
  readonly historyMax?: number | undefined;
}

/** What a space is; the same on all of its replicas, because the declaration is itself shared. */
export interface SpaceSpec {
  readonly merge: MergeRule;
  /** Who keeps it: every member, or these nodes (1 to 64). Others can neither read nor write it. */
  readonly replicas: "everyone" | readonly Did[];
  /** Keys with a value, 1 to 1,000,000. A write of a further one is refused. */
  readonly entriesMax: number;
  /** Bytes of all keys and values, 1,024 to 1 GiB. A write that exceeds it is refused. */
  readonly bytesMax: number;
  /** Bytes of one encoded value, 1 to 262,144. */
  readonly valueBytesMax: number;
  /** Changes of each key that a replica remembers, 0 to 100. */
  readonly historyMax: number;
}

export const DEFAULT_SPACE: SpaceSpec = {
  merge: "last-writer",
  replicas: "everyone",
  entriesMax: 100_000,
  bytesMax: 64 * 1024 * 1024,
  valueBytesMax: 64 * 1024,
  historyMax: 10,
};

/** One write as everybody names it. */
export interface Version {
  /** Absent: it deleted the key. */
  readonly value?: unknown;
  /** did of the node that wrote it. */
  readonly writer: string;
  /** Rises with each write of that node in this space. */
  readonly counter: number;
  /** When, by the hybrid clock, Unix epoch ms. */
  readonly atMs: number;
}

/** What a key is, as far as this replica knows. */
export interface Reading {
  readonly key: string;
  /** False: nobody wrote it, or it was deleted. */
  readonly found: boolean;
  /** Of a `set` its elements, of a `counter` the sum; undefined when not found. */
  readonly value?: unknown;
  /** What nobody has overwritten, the one that counts first; with last-writer and keep-both, more than one were written concurrently. */
  readonly versions: readonly Version[];
  /** keep-both: somebody has to decide. */
  readonly conflict: boolean;
  /** Everything that this replica knew of the space: for a later read that must not know less. */
  readonly token: string;
}

export type Consistency = "local" | "session" | "bounded" | "linearizable";
export const CONSISTENCIES = ["local", "session", "bounded", "linearizable"] as const;

export interface ReadOptions {
  /** @default "default" */
  readonly space?: string | undefined;
  /**
   * - `local`: what this replica has, at once.
   * - `session`: at least what `token` stands for.
   * - `bounded`: at least what every replica had `stalenessMs` ago.
   * - `linearizable`: the one value that the majority agreed on.
   * @default "local"
   */
  readonly consistency?: Consistency | undefined;
  /** With `session`: of an earlier read or write, here or elsewhere. */
  readonly token?: string | undefined;
  /** With `bounded`: 0 to 86,400,000 ms. @default 1000 */
  readonly stalenessMs?: number | undefined;
  /** How long to wait for other replicas, 1 to 600,000 ms. @default 5000 */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WriteOptions {
  /** @default "default" */
  readonly space?: string | undefined;
  /** `linearizable` goes through the majority; every other level writes here and tells the others. @default "local" */
  readonly consistency?: Consistency | undefined;
  /** keep-both: takes the place of all alternatives of a conflict. @default false */
  readonly resolve?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a write does to a key. */
export type Change =
  | { readonly kind: "put"; readonly value: unknown }
  | { readonly kind: "delete" }
  /** Of a counter. */
  | { readonly kind: "increment"; readonly by: number }
  /** Of a set. */
  | { readonly kind: "add" | "remove"; readonly element: unknown };

export interface WriteReceipt {
  readonly key: string;
  /** For a session read that must see this write. */
  readonly token: string;
  /** Of a linearizable write: its number among all of them. */
  readonly revision?: number;
}

/** A change that this replica made or heard of. */
export interface StateEvent {
  readonly space: string;
  readonly key: string;
  readonly found: boolean;
  readonly value?: unknown;
  readonly writer: string;
  readonly atMs: number;
  /** Other writes of the key that did not know of the one that counts, and that it did not know of. */
  readonly concurrent: readonly Version[];
}

/** The record that the seeds name: a key as one object that can be handed on. */
export interface DistributedState {
  /** `space/key`. */
  readonly stateId: string;
  /** did of the node that wrote it last; empty when nobody did. */
  readonly agentId: string;
  /** Counter of that write. */
  readonly version: number;
  /** For each writer whose write counts, its counter. */
  readonly vectorClock: Readonly<Record<string, number>>;
  readonly data: unknown;
  /** dids of the nodes that keep it, as far as they are known. */
  readonly replicas: readonly string[];
  readonly consistencyLevel: Consistency;
}

/** How a space is on this replica. */
export interface SpaceReport extends SpaceSpec {
  readonly name: string;
  readonly entries: number;
  readonly bytes: number;
  /** Deleted keys that are still remembered one by one. */
  readonly tombstones: number;
  readonly token: string;
  /** Replicas in reach, this one included, and those that are not; of "everyone" those that the directory knows. */
  readonly reachable: readonly string[];
  readonly unreachable: readonly string[];
}

export interface BackupEntry {
  readonly key: string;
  /** As in {@link Reading}. */
  readonly value: unknown;
  /** keep-both: further ones that wait for a decision. */
  readonly alternatives?: readonly unknown[];
}

export interface Backup {
  readonly space: string;
  readonly merge: MergeRule;
  readonly takenAtMs: number;
  readonly entries: readonly BackupEntry[];
}

/**
 * Named maps that members share. Every replica takes reads and writes by itself, also when it is cut off; all that
 * heard the same changes have the same value. What must be one and only one goes through the majority instead.
 *
 * Every method may throw SPACE_UNKNOWN, NOT_A_REPLICA, INVALID_ARGUMENT (a name, key or option beyond its limits).
 */
export interface SharedState {
  /** Makes a space, or changes what it is, for all members. `default` (last-writer, everyone) is always there. */
  declare(name: string, spec?: SpaceDeclaration): Promise<SpaceReport>;
  spaces(): readonly SpaceReport[];
  /**
   * @throws {EasynetError} STATE_TOO_STALE (session, bounded: the replicas that must be asked did not answer in time),
   * NO_MAJORITY and CONSISTENCY_UNAVAILABLE (linearizable)
   */
  get(key: string, options?: ReadOptions): Promise<Reading>;
  /** Resolves when it is on this node's disk; the others are told after that. @throws {EasynetError} as `write` */
  put(key: string, value: unknown, options?: WriteOptions): Promise<WriteReceipt>;
  delete(key: string, options?: WriteOptions): Promise<WriteReceipt>;
  /**
   * @throws {EasynetError} SPACE_FULL, STATE_CONFLICT (keep-both, without `resolve`), STORAGE_FULL and STORAGE_FAILED (the
   * write may take effect nevertheless), NO_MAJORITY, OUTCOME_UNKNOWN, CONSISTENCY_UNAVAILABLE (linearizable)
   */
  write(key: string, change: Change, options?: WriteOptions): Promise<WriteReceipt>;
  /** Keys with a value, in order, at most `limit` (1 to 1,000, default 1,000) after `after`. */
  list(options?: {
    readonly space?: string;
    readonly prefix?: string;
    readonly after?: string;
    readonly limit?: number;
  }): readonly Reading[];
  /** Changes of one key, or with `prefix` of all that begin so, from now on; none is told twice. */
  watch(
    filter: { readonly space?: string; readonly key?: string; readonly prefix?: string },
    listener: (event: StateEvent) => void,
  ): Disposable;
  /** Changes of a key that this replica saw, the latest first; as many as the space keeps. */
  history(key: string, options?: { readonly space?: string }): readonly Version[];
  /** Asks every replica in reach for what is missing here; tells who answered. @throws {EasynetError} STATE_TOO_STALE */
  sync(options?: { readonly space?: string; readonly timeoutMs?: number }): Promise<SpaceReport>;
  /** A key as the record that the seeds name. */
  record(key: string, options?: ReadOptions): Promise<DistributedState>;
  backup(options?: { readonly space?: string }): Backup;
  /** Writes every entry anew, so that it counts over what is there now. @returns how many */
  restore(backup: Backup, options?: { readonly space?: string }): Promise<number>;
}
