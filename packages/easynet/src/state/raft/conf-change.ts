import { EasynetError } from "../../kernel/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { NO_DATA } from "./entries.ts";
import type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  ConfChangeV2,
  Entry,
} from "./types.ts";
import { NODE_ID_MAX } from "./types.ts";

/** Types by their number in the log. */
const TYPES: readonly ConfChangeType[] = [
  "ConfChangeAddNode",
  "ConfChangeRemoveNode",
  "ConfChangeUpdateNode",
  "ConfChangeAddLearnerNode",
];
const TRANSITIONS: readonly ConfChangeTransition[] = [
  "ConfChangeTransitionAuto",
  "ConfChangeTransitionJointImplicit",
  "ConfChangeTransitionJointExplicit",
];
/** Of one entry; a group has 7 voters at most, and some learners. */
export const CHANGES_COUNT_MAX = 256;
/** 64 KiB of what the application wants to know with a change: a record of the node. */
export const CHANGE_CONTEXT_BYTES_MAX = 65_536;

/** Leaves a joint configuration. */
export const LEAVE_JOINT: ConfChangeV2 = { transition: "ConfChangeTransitionAuto", changes: [] };

export function isConfChange({ type }: Entry): boolean {
  return type !== "EntryNormal";
}

export function toV2(change: ConfChange | ConfChangeV2): ConfChangeV2 {
  if (!("type" in change)) return change;
  const { type, nodeId, context } = change;
  const changes = [{ type, nodeId }];
  return { transition: "ConfChangeTransitionAuto", changes, ...(context && { context }) };
}

/** Whether a change uses joint consensus, and whether that ends by itself. */
export function jointOf({ transition, changes }: ConfChangeV2): "leave" | "simple" | "auto" | "explicit" {
  const auto = transition === "ConfChangeTransitionAuto";
  if (auto && changes.length === 0) return "leave";
  if (auto && changes.length === 1) return "simple";
  return transition === "ConfChangeTransitionJointExplicit" ? "explicit" : "auto";
}

/** Kind and data of the entry for a change. @throws {EasynetError} INVALID_ARGUMENT beyond the limits above */
export function encodeConfChange(change: ConfChange | ConfChangeV2): Pick<Entry, "type" | "data"> {
  const { context, changes } = toV2(change);
  if (changes.length > CHANGES_COUNT_MAX || (context?.length ?? 0) > CHANGE_CONTEXT_BYTES_MAX) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "A change of members", reason: "it is too large" });
  }
  const rest = context ? [context] : [];
  if ("type" in change) {
    return { type: "EntryConfChange", data: encodeValue([TYPES.indexOf(change.type), change.nodeId, ...rest]) };
  }
  const pairs = changes.map(({ type, nodeId }) => [TYPES.indexOf(type), nodeId]);
  const data = encodeValue([TRANSITIONS.indexOf(change.transition), pairs, ...rest]);
  return { type: "EntryConfChangeV2", data };
}

/** An entry without a word of its own: it leaves a joint configuration, and no limit on size refuses it. */
export const LEAVE_JOINT_ENTRY: Pick<Entry, "type" | "data"> = { type: "EntryConfChangeV2", data: NO_DATA };

/** The change of an entry; undefined for a normal one. @throws {EasynetError} FRAME_MALFORMED */
export function decodeConfChange({ type, data }: Pick<Entry, "type" | "data">): ConfChange | ConfChangeV2 | undefined {
  if (type === "EntryNormal") return undefined;
  if (type === "EntryConfChangeV2" && data.length === 0) return LEAVE_JOINT;
  // A copy: the decoder leaves a mark on what it reads, and entries are shared.
  const [first, second, third] = array(decodeValue(data.slice()), 3);
  if (third !== undefined && (!(third instanceof Uint8Array) || third.length > CHANGE_CONTEXT_BYTES_MAX)) {
    throw malformed("its context");
  }
  const context = third && { context: third };
  if (type === "EntryConfChange") return { ...single([first, second]), ...context };
  const transition = typeof first === "number" ? TRANSITIONS[first] : undefined;
  if (!transition) throw malformed("its transition");
  const changes = array(second, CHANGES_COUNT_MAX).map((pair) => single(array(pair, 2)));
  return { transition, changes, ...context };
}

function single([typeNumber, nodeId]: readonly unknown[]): ConfChangeSingle {
  const type = typeof typeNumber === "number" ? TYPES[typeNumber] : undefined;
  if (!type) throw malformed("its type");
  if (typeof nodeId !== "number" || !Number.isInteger(nodeId) || nodeId < 0 || nodeId > NODE_ID_MAX) {
    throw malformed("a node id");
  }
  return { type, nodeId };
}

function array(value: unknown, countMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > countMax) throw malformed("a list");
  return value;
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `change of members: ${what}` });
}
