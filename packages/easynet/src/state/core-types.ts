import type { Did } from "../identity/index.ts";
import type { Random } from "../kernel/index.ts";
import type { NodeLoad, NodeRecord, NodeStatus } from "../model/index.ts";
import type { Bucket, sumsOf } from "./bucket-core.ts";
import type { NodeStatusSource } from "./types.ts";

/** Which state of an owner's entry: epochs first, then sequences. */
export interface Version {
  readonly epoch: number;
  readonly sequence: number;
}

/** An entry as its owner issued it; its signature and its record were checked before it came here. */
export interface Entry extends Version {
  readonly owner: Did;
  /** The owner's wall clock, Unix epoch ms. */
  readonly issuedAtMs: number;
  readonly status: "alive" | "left";
  /** SHA-256 of the encoded record in hex; empty when the owner left. */
  readonly recordHash: string;
  readonly record: NodeRecord | undefined;
  /** As it travels; the core never looks inside. */
  readonly sealed: SealedEntry;
}

export interface SealedEntry {
  readonly header: Uint8Array;
  /** Ed25519 over the header, 64 bytes. */
  readonly signature: Uint8Array;
  readonly recordBytes: Uint8Array | undefined;
}

/** What the sender of a line or entry thinks of its owner; on the wire 0..4 in this order. */
export const VIEWS = ["linked", "leased", "suspect", "dead", "left"] as const;
export type View = (typeof VIEWS)[number];

/** One line of a digest. */
export interface Line extends Version {
  readonly owner: Did;
  readonly view: View;
}

/** A digest names every owner whose did lies after `after` and not after `upTo`. */
export interface DigestRange {
  readonly after: string;
  readonly upTo: string | undefined;
}

/** Of all owners those whose share under `salt` is one of `buckets`. */
export interface BucketRange {
  readonly salt: number;
  readonly buckets: ReadonlySet<number>;
}

export interface ReceivedEntry {
  readonly entry: Entry;
  readonly view: View;
  /** How long ago it was issued by this node's wall clock, in ms; negative when the clocks differ. */
  readonly ageMs: number;
}

export type Input =
  /** This node signed a new state of its own entry. */
  | { readonly kind: "issued"; readonly entry: Entry }
  | { readonly kind: "link-up"; readonly peer: Did }
  | { readonly kind: "link-down"; readonly peer: Did }
  | {
      readonly kind: "entries";
      readonly from: Did;
      readonly entries: readonly ReceivedEntry[];
      /** They came by a broadcast, which reaches everybody without our help. */
      readonly spread?: boolean;
    }
  | {
      readonly kind: "lines";
      readonly from: Did;
      readonly lines: readonly Line[];
      /** Present when the lines are all that `from` knows of that range. */
      readonly range?: DigestRange | BucketRange;
    }
  /** What `from` knows as sums of shares, and its own line. */
  | {
      readonly kind: "sums";
      readonly from: Did;
      readonly salt: number;
      readonly sums: Uint32Array;
      readonly own: readonly Line[];
    }
  | { readonly kind: "wanted"; readonly from: Did; readonly versions: readonly OwnedVersion[] }
  | { readonly kind: "suspected"; readonly from: Did; readonly owners: readonly Did[] }
  | { readonly kind: "vouched"; readonly from: Did; readonly owners: readonly Did[] }
  | { readonly kind: "load"; readonly from: Did; readonly load: NodeLoad }
  /** The failure detector thinks anew of a member. */
  | { readonly kind: "status"; readonly owner: Did }
  | { readonly kind: "tick" };

export interface OwnedVersion extends Version {
  readonly owner: Did;
}

export interface OutgoingEntry {
  readonly entry: Entry;
  readonly view: View;
  /** False when the receiver holds the record already: then 200 bytes travel instead of the cards. */
  readonly withRecord: boolean;
}

export type Effect =
  /** To everybody: over each link, or by a broadcast. */
  | {
      readonly kind: "spread";
      readonly entry: OutgoingEntry;
      readonly to: readonly Did[];
      /** Rather by a broadcast than to each of `to`. */
      readonly broadcast: boolean;
    }
  | { readonly kind: "send-entries"; readonly to: Did; readonly entries: readonly OutgoingEntry[] }
  /** All lines that this node has: the service cuts them into pages. */
  | { readonly kind: "send-digest"; readonly to: Did; readonly lines: readonly Line[] }
  /** What this node knows as sums of shares, and its own line if it has one. */
  | {
      readonly kind: "send-sums";
      readonly to: Did;
      readonly salt: number;
      readonly sums: Uint32Array;
      readonly own: readonly Line[];
    }
  /** All lines of some shares: the service cuts them into pages. */
  | { readonly kind: "send-buckets"; readonly to: Did; readonly salt: number; readonly buckets: readonly Bucket[] }
  /** Some lines, as news. */
  | { readonly kind: "send-news"; readonly to: Did; readonly lines: readonly Line[] }
  | { readonly kind: "send-want"; readonly to: Did; readonly versions: readonly OwnedVersion[] }
  | { readonly kind: "send-suspect"; readonly to: Did; readonly owners: readonly Did[] }
  | { readonly kind: "send-vouch"; readonly to: Did; readonly owners: readonly Did[] }
  /** Sign the own entry anew, under an epoch above `aboveEpoch` if that is given; answered by `issued`. */
  | { readonly kind: "issue"; readonly aboveEpoch?: number }
  /** Record or status of an owner changed. */
  | { readonly kind: "changed"; readonly owner: Did }
  | { readonly kind: "gone"; readonly owner: Did; readonly status: NodeStatus }
  | { readonly kind: "load-changed"; readonly owner: Did }
  | { readonly kind: "learn"; readonly owner: Did; readonly addresses: readonly string[] }
  | { readonly kind: "forget"; readonly owner: Did }
  | { readonly kind: "count"; readonly what: "entry-stale" | "entry-limit" | "entry-expired" };

/** What the core holds of one owner. */
export interface Known {
  /** Of the owner's did; made once, because sums need it again and again. */
  readonly hash: number;
  entry: Entry;
  status: NodeStatus;
  /** The failure detector decides about it, and not links and leases. */
  watched: boolean;
  /** The owner itself confirmed this state over a link that is up. */
  confirmed: boolean;
  /** Linked peers that said they hold a link to the owner. */
  readonly vouchers: Set<Did>;
  /** Monotonic ms: until then it counts as alive without link. */
  leaseUntilMs: number;
  /**
   * Monotonic ms: since when it is suspect or dead here. Only what its owner issued after that proves that it lives;
   * -Infinity while it is alive.
   */
  lostAtMs: number;
  /** Monotonic ms: dead from then on unless somebody vouches. Infinity when not suspect. */
  suspectUntilMs: number;
  /** Monotonic ms: forgotten altogether from then on, unless alive. */
  expiresAtMs: number;
  /** First version seen with this record: who has it or a later one needs no record. */
  recordSince: Version;
  load: NodeLoad | undefined;
  /** Monotonic ms. */
  lastSeenMs: number;
}

export interface DirectoryTimes {
  /** Between two issues of the own entry. @default 30,000 */
  readonly renewMs: number;
  /** An owner without link counts as alive this long after its last issue. @default 90,000 */
  readonly leaseMs: number;
  /** From lost link to dead. @default 3,000 */
  readonly deadAfterMs: number;
  /** Between two digests to a random peer. @default 10,000 */
  readonly digestMs: number;
  /** News of mere renewals are collected this long. @default 1,000 */
  readonly newsMs: number;
  /**
   * What is dead or left is remembered this long after its last issue. Shorter than `acceptMs`, and an old copy brings
   * it back. @default 86,400,000
   */
  readonly tombstoneMs: number;
  /** Entries issued longer ago are refused. @default 86,400,000 */
  readonly acceptMs: number;
  /** Wall clocks may differ by this much. @default 60,000 */
  readonly skewMs: number;
}

export const defaultDirectoryTimes: DirectoryTimes = {
  renewMs: 30_000,
  leaseMs: 90_000,
  deadAfterMs: 3000,
  digestMs: 10_000,
  newsMs: 1000,
  tombstoneMs: 86_400_000,
  acceptMs: 86_400_000,
  skewMs: 60_000,
};

export interface CoreOptions {
  readonly self: Did;
  readonly times: DirectoryTimes;
  readonly random: Random;
  /** What the failure detector says; without it, links, vouches and leases decide. */
  readonly statusOf?: NodeStatusSource["statusOf"];
  /** For simulations. @default sumsOf */
  readonly sums?: typeof sumsOf;
  /** @default OWNERS_COUNT_MAX */
  readonly ownersCountMax?: number;
}

/** Below zero when `one` is older. */
export function compareVersions(one: Version, other: Version): number {
  return one.epoch - other.epoch || one.sequence - other.sequence;
}
