/** What a change does to the siblings of a key, and what they mean, for each merge rule. */
import { EasynetError } from "../../kernel/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { compareStamps } from "../clocks/index.ts";
import type { Sibling } from "./entry-core.ts";
import type { Change, MergeRule, Version } from "./types.ts";

/** The sibling that a change leaves, and those whose place it takes. */
export interface Planned {
  readonly value: Uint8Array | undefined;
  readonly replaced: readonly Sibling[];
}

export interface Planning {
  readonly rule: MergeRule;
  readonly siblings: readonly Sibling[];
  readonly writer: string;
  /** keep-both: the caller decides a conflict. */
  readonly resolve: boolean;
  /** keep-both: next to what is there. */
  readonly beside: boolean;
  readonly key: string;
}

/** undefined: the change changes nothing. @throws {EasynetError} INVALID_ARGUMENT, STATE_CONFLICT */
export function planChange(change: Change, planning: Planning): Planned | undefined {
  const { siblings, rule } = planning;
  if (change.kind === "delete") {
    const live = siblings.some(({ value }) => value !== undefined);
    return live ? { value: undefined, replaced: siblings } : undefined;
  }
  return PLANS[rule](change, planning);
}

const PLANS: Readonly<Record<MergeRule, (change: Change, planning: Planning) => Planned | undefined>> = {
  "last-writer": (change, { rule, siblings }) => ({ value: encodeValue(valueOf(change, rule)), replaced: siblings }),
  "keep-both": planKept,
  max: (change, { rule, siblings }) => planMax(valueOf(change, rule), siblings),
  counter: planCounter,
  set: (change, { siblings }) => planSet(change, siblings),
};

function planKept(change: Change, { rule, siblings, resolve, beside, key }: Planning): Planned {
  const value = encodeValue(valueOf(change, rule));
  if (beside) return { value, replaced: [] };
  const alternatives = siblings.filter((sibling) => sibling.value !== undefined).length;
  if (alternatives > 1 && !resolve) throw new EasynetError("STATE_CONFLICT", { key, alternatives });
  return { value, replaced: siblings };
}

function planMax(value: unknown, siblings: readonly Sibling[]): Planned | undefined {
  const number = numberFrom(value, "The value of a max");
  const isLess = siblings.some((sibling) => sibling.value && numberOf(sibling) >= number);
  return isLess ? undefined : { value: encodeValue(number), replaced: siblings };
}

/** Each writer has one sibling, the sum of its own increments. */
function planCounter(change: Change, { siblings, writer, rule }: Planning): Planned {
  if (change.kind !== "increment") throw unfit(change, rule);
  const by = numberFrom(change.by, "The increment");
  const own = siblings.filter((sibling) => sibling.writer === writer && sibling.value !== undefined);
  const sum = own.reduce((total, sibling) => total + numberOf(sibling), by);
  const deletes = siblings.filter(({ value }) => value === undefined);
  return { value: encodeValue(numberFrom(sum, "The sum")), replaced: [...own, ...deletes] };
}

function planSet(change: Change, siblings: readonly Sibling[]): Planned | undefined {
  if (change.kind !== "add" && change.kind !== "remove") throw unfit(change, "set");
  const element = encodeValue(change.element);
  const same = siblings.filter(({ value }) => value !== undefined && Buffer.compare(value, element) === 0);
  const deletes = siblings.filter(({ value }) => value === undefined);
  if (change.kind === "add") return { value: element, replaced: [...same, ...deletes] };
  return same.length > 0 ? { value: undefined, replaced: [...same, ...deletes] } : undefined;
}

function valueOf(change: Change, rule: MergeRule): unknown {
  if (change.kind !== "put") throw unfit(change, rule);
  if (change.value === undefined) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "The value", reason: "undefined cannot be kept" });
  }
  return change.value;
}

function numberFrom(value: unknown, subject: string): number {
  if (typeof value === "number" && Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value;
  throw new EasynetError("INVALID_ARGUMENT", { subject, reason: "it is no number up to 2^53" });
}

function unfit({ kind }: Change, rule: MergeRule): EasynetError {
  const reason = `a space that merges by ${rule} takes no ${kind}`;
  return new EasynetError("INVALID_ARGUMENT", { subject: "The change", reason });
}

/** What siblings come to. */
export interface Resolved {
  readonly found: boolean;
  readonly value?: unknown;
  readonly versions: readonly Version[];
  readonly conflict: boolean;
}

export function resolveSiblings(rule: MergeRule, siblings: readonly Sibling[]): Resolved {
  const ordered = siblings.length < 2 ? siblings : [...siblings].sort((one, other) => compareSiblings(other, one));
  const live = ordered.filter(({ value }) => value !== undefined);
  const winner = rule === "last-writer" ? ordered[0] : live[0];
  const shown = rule === "last-writer" ? ordered : live;
  const versions = shown.map(versionOf);
  if (winner?.value === undefined) return { found: false, versions, conflict: false };
  const conflict = rule === "keep-both" && live.length > 1;
  return { found: true, value: VALUES[rule](live, versions[0]?.value), versions, conflict };
}

/** What live siblings mean; they are ordered, the one that counts first. */
const VALUES: Readonly<Record<MergeRule, (live: readonly Sibling[], latest: unknown) => unknown>> = {
  "last-writer": (_, latest) => latest,
  "keep-both": (_, latest) => latest,
  max: (live) => Math.max(...live.map(numberOf)),
  counter: (live) => [...latestOfWriters(live).values()].reduce((sum, sibling) => sum + numberOf(sibling), 0),
  set: elementsOf,
};

/**
 * Of one writer only the last sum counts: two of them are there when it crashed before an increment was on its disk, but
 * not before somebody heard of it. That increment was never confirmed.
 */
function latestOfWriters(live: readonly Sibling[]): ReadonlyMap<string, Sibling> {
  const latest = new Map<string, Sibling>();
  for (const sibling of live) {
    if (sibling.counter > (latest.get(sibling.writer)?.counter ?? 0)) latest.set(sibling.writer, sibling);
  }
  return latest;
}

/** Each once, in an order that is the same everywhere. */
function elementsOf(live: readonly Sibling[]): unknown[] {
  const byBytes = new Map<string, Uint8Array>();
  for (const { value } of live) if (value) byBytes.set(Buffer.from(value).toString("latin1"), value);
  return [...byBytes].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, value]) => decodeValue(value));
}

/** Below zero when `one` counts less: what the majority agreed on first, then the stamp, then the writer's name. */
export function compareSiblings(one: Sibling, other: Sibling): number {
  const order = one.revision - other.revision || compareStamps(one, other);
  if (order !== 0) return order;
  return one.writer === other.writer ? one.counter - other.counter : one.writer < other.writer ? -1 : 1;
}

export function versionOf({ value, writer, counter, ms }: Sibling): Version {
  return { ...(value !== undefined && { value: decodeValue(value) }), writer, counter, atMs: ms };
}

/** 0 for what a faulty replica put there. */
function numberOf({ value }: Sibling): number {
  const read = value && decodeValue(value);
  return typeof read === "number" && Number.isFinite(read) ? read : 0;
}
