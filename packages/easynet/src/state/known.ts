import type { Did } from "../identity/index.ts";
import { hashText } from "../kernel/index.ts";
import type { NodeStatus } from "../model/index.ts";
import {
  compareVersions,
  type Entry,
  type Known,
  type Line,
  type OutgoingEntry,
  type OwnedVersion,
  type Version,
  type View,
} from "./core-types.ts";
import type { NodeStatusSource } from "./types.ts";

type MemberWord = NonNullable<ReturnType<NodeStatusSource["statusOf"]>>;

/** Older than any entry: epochs and sequences start at 1. */
export const NEVER: Version = { epoch: 0, sequence: 0 };

/** An owner heard of for the first time; nothing speaks for its being alive yet. */
export function newKnown(entry: Entry, nowMs: number): Known {
  return {
    hash: hashText(entry.owner, 0),
    entry,
    status: "dead",
    watched: false,
    confirmed: false,
    vouchers: new Set(),
    leaseUntilMs: 0,
    lostAtMs: -Infinity,
    suspectUntilMs: Infinity,
    expiresAtMs: Infinity,
    recordSince: entry,
    load: undefined,
    lastSeenMs: nowMs,
  };
}

/** When the next change of an owner that gives no sign of life is due, monotonic ms. */
export function endsAtMs(known: Known): number {
  if (known.watched && known.status !== "dead" && known.status !== "left") return Infinity;
  if (known.status === "suspect") return known.suspectUntilMs;
  if (known.status !== "alive") return known.expiresAtMs;
  return known.confirmed ? Infinity : known.leaseUntilMs;
}

export function viewOf({ status, confirmed }: Known): View {
  if (status === "alive" || status === "maintenance") return confirmed ? "linked" : "leased";
  return status === "suspect" || status === "left" ? status : "dead";
}

/** What this node has of `owner`, for asking whether there is more. */
export function versionOf(owner: Did, known: Known | undefined): OwnedVersion {
  const { epoch, sequence } = known?.entry ?? NEVER;
  return { owner, epoch, sequence };
}

/** What this node has and thinks of an owner. */
export function lineOf(owner: Did, known: Known): Line {
  return { ...versionOf(owner, known), view: viewOf(known) };
}

/** Lines of those owners that are known. */
export function linesOf(all: ReadonlyMap<Did, Known>, owners: Iterable<Did>): Line[] {
  const lines: Line[] = [];
  for (const owner of owners) {
    const known = all.get(owner);
    if (known) lines.push(lineOf(owner, known));
  }
  return lines;
}

/** What to send to somebody who has version `theirs`. */
export function outgoingOf(known: Known, theirs: Version): OutgoingEntry {
  const withRecord = known.entry.status === "alive" && compareVersions(theirs, known.recordSince) < 0;
  return { entry: known.entry, view: viewOf(known), withRecord };
}

/**
 * What the failure detector's word about a member makes of an entry; undefined when it knows nothing of this process or
 * a later one. That a later process lives brings nothing of this one back.
 */
export function statusBy(member: MemberWord | undefined, { entry, status }: Known): NodeStatus | undefined {
  if (!member || member.epoch < entry.epoch) return undefined;
  // Only the owner's own signature makes it `left` here.
  if (member.status === "left" || member.status === "dead") return "dead";
  const isGone = status === "suspect" || status === "dead";
  return member.epoch > entry.epoch && isGone ? status : member.status;
}

/** Owners whose renewals come at the times of the configuration. */
const RENEWING_COUNT = 16;

/**
 * A time of renewals and leases where a failure detector decides who lives: they are a reserve then, and with many owners
 * they last longer, so that the network as a whole renews at most about one entry in two seconds.
 */
export function stretched(ms: number, ownersCount: number): number {
  return ms * Math.max(1, ownersCount / RENEWING_COUNT);
}

/** Owners that are not gone. */
export function hereCount(all: Iterable<Known>): number {
  let count = 0;
  for (const { status } of all) if (status !== "dead" && status !== "left") count++;
  return count;
}

/** The dead or left owner that is forgotten first. */
export function oldestGone(all: Iterable<Known>): Known | undefined {
  let oldest: Known | undefined;
  for (const known of all) {
    const gone = known.status === "dead" || (known.status === "left" && !known.confirmed);
    if (gone && (!oldest || known.expiresAtMs < oldest.expiresAtMs)) oldest = known;
  }
  return oldest;
}
