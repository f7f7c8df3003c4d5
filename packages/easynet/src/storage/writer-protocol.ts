import type { CommitDurability } from "./types.ts";

/** What tests change on purpose, to show what it would cost; a running node sets none of it. */
export interface StoreTuning {
  /** How transactions that must reach the disk are synced. @default "FULL" */
  readonly synchronous?: "FULL" | "NORMAL";
  /** Pages of 4 KiB after which the file counts as full. @default no limit but the disk's */
  readonly pageCountMax?: number;
}

/** What the writer thread is started with. */
export interface WriterData {
  readonly path: string;
  readonly tuning: StoreTuning;
}

/** Several commits that share one transaction. Flat arrays: cloning one object per write would cost more than the write. */
export interface GroupMessage {
  readonly kind: "group";
  /** The strongest that one of its commits asks for. */
  readonly durability: CommitDurability;
  /** Space and key of each write, alternating. */
  readonly names: readonly string[];
  /** Byte length of each write's value, in `bytes` one after the other; -1 deletes. */
  readonly lengths: readonly number[];
  /** For each commit the index after its last write. */
  readonly ends: readonly number[];
  readonly bytes: Uint8Array;
}

export type ToWriter = GroupMessage | { readonly kind: "close" };

export type Failure =
  | { readonly code: "STORAGE_FULL" }
  | { readonly code: "STORAGE_FAILED"; readonly reason: string }
  | { readonly code: "STORAGE_TOO_NEW"; readonly found: number; readonly known: number };

export interface CommitFailure {
  /** Index of the commit within its group. */
  readonly index: number;
  readonly failure: Failure;
}

export type FromWriter =
  | { readonly kind: "ready"; readonly checked: boolean }
  | { readonly kind: "refused"; readonly failure: Failure }
  | { readonly kind: "done"; readonly failures: readonly CommitFailure[] }
  | { readonly kind: "closed" };
