import type { CriticalEntry, Lease } from "./types.ts";

/** One change of a group's state; all of them go through the log. */
export type Operation =
  | { readonly kind: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly key: string }
  | { readonly kind: "set"; readonly key: string; readonly revision: number; readonly value: Uint8Array | undefined }
  | { readonly kind: "add"; readonly key: string; readonly by: number }
  | { readonly kind: "acquire"; readonly resource: string; readonly owner: string; readonly ttlMs: number }
  /** By its holder, or by the leader when its time is over. */
  | { readonly kind: "release"; readonly resource: string; readonly token: number };

export type Reply =
  | { readonly kind: "written"; readonly revision: number }
  | { readonly kind: "removed"; readonly found: boolean }
  /** A comparison failed. */
  | { readonly kind: "unchanged"; readonly current: CriticalEntry | undefined }
  | { readonly kind: "sum"; readonly sum: number }
  | { readonly kind: "granted" | "held"; readonly lease: Lease }
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "full" }
  /** It was carried out before, and what it answered is not kept any more. */
  | { readonly kind: "forgotten" };

/** Operations that one client sends together. Repeated with the same number it is carried out once. */
export interface Batch {
  /** Who; a new one for each process. 1 to 64 characters. */
  readonly client: string;
  /** 0 opens the session and has no operations; then from 1, each number once. */
  readonly sequence: number;
  /** The client has the answers of all batches below this number, and repeats none of them. */
  readonly answeredBelow: number;
  readonly operations: readonly Operation[];
}

/** A read; it never enters the log. */
export type Query =
  | { readonly kind: "get"; readonly key: string }
  | { readonly kind: "list"; readonly prefix: string; readonly after: string | undefined; readonly limit: number }
  | { readonly kind: "holder"; readonly resource: string };

export type QueryAnswer =
  | { readonly kind: "entries"; readonly entries: readonly CriticalEntry[] }
  | { readonly kind: "lease"; readonly lease: Lease | undefined };
