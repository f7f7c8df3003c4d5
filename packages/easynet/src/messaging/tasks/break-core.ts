/** What a caller does when its exchange about a stored task broke off before the outcome. */
import type { ErrorCode } from "../../kernel/index.ts";

/** The way to the provider, or its node, gave out; it may have the task all the same. */
const WAY: ReadonlySet<ErrorCode> = new Set(["LINK_CLOSED", "PROVIDER_LOST", "NODE_STOPPING"]);
/** Nothing of this exchange reached the provider's tasks. */
const NOT_REACHED: ReadonlySet<ErrorCode> = new Set(["PEER_UNREACHABLE", "BACKPRESSURE", "OVERLOADED"]);

/** The task itself did not end with this. */
export function isOnTheWay(code: ErrorCode): boolean {
  return WAY.has(code) || NOT_REACHED.has(code);
}

export interface Break {
  readonly code: ErrorCode;
  /** The provider's own word that it does not have the task. */
  readonly refused: boolean;
  /** The provider said that it stores the task. */
  readonly accepted: boolean;
  /** An earlier opening that asked it to begin may have reached it. */
  readonly sentBefore: boolean;
  /** The task may run twice, and nothing of its output was shown. */
  readonly movable: boolean;
  /** Another provider could do it. */
  readonly others: boolean;
}

/**
 * `again`: ask the same provider by the task's id, as soon as there is a way; `end`: the error is the answer, or
 * another provider's turn. Work with effects goes to another provider only when this one cannot have accepted it.
 */
export function afterBreak({ code, refused, accepted, sentBefore, movable, others }: Break): "again" | "end" {
  if (refused) return "end";
  if (!isOnTheWay(code)) return "end";
  if (NOT_REACHED.has(code) && !accepted && !sentBefore) return "end";
  return movable && others ? "end" : "again";
}
