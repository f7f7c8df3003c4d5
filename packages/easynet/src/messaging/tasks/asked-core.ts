import type { Did } from "../../identity/index.ts";
import { EasynetError } from "../../kernel/index.ts";
import type { TaskState } from "../../model/index.ts";
import type { StoredDurability } from "./record-codec.ts";
import { ASKED_COUNT_MAX } from "./limits.ts";

/** No call takes longer (routing/prepare-call.ts). */
const TIMEOUT_MS_MAX = 86_400_000;

/** A task that this node gave to a provider. */
export interface AskedTask {
  readonly id: string;
  /** did:key of the provider's node: this id is never sent to another one while this one may have it. */
  readonly node: Did;
  readonly nodeName: string;
  readonly agent: string;
  readonly agentName: string;
  readonly capability: string;
  /** Digest of what it is to do. */
  readonly digest: string;
  readonly createdAtMs: number;
  /** What the note of it survives here. */
  readonly durability: StoredDurability;
  /** The provider said that it stores it. */
  readonly accepted: boolean;
  /** The caller wants it stopped, and the provider does not know yet. */
  readonly cancelling: boolean;
  readonly end: AskedEnd | undefined;
}

export interface AskedEnd {
  readonly atMs: number;
  /** Error code; "" = it completed. */
  readonly code: string;
}

/** What a caller may do with a task id. */
export type Binding =
  | { readonly kind: "new" }
  /** The provider that has it, or may have it. */
  | { readonly kind: "bound"; readonly task: AskedTask };

/** @throws {EasynetError} TASK_ID_REUSED */
export function bindingOf(known: AskedTask | undefined, digest: string): Binding {
  if (!known) return { kind: "new" };
  if (known.digest !== digest) {
    throw new EasynetError("TASK_ID_REUSED", { taskId: known.id, capability: known.capability });
  }
  return { kind: "bound", task: known };
}

/**
 * Which tasks a caller stops to remember before it takes one more. @param tasks oldest first
 * @throws {EasynetError} OVERLOADED when all of them are open
 */
export function toDrop(
  tasks: ReadonlyMap<string, AskedTask>,
  at: { readonly nowMs: number; readonly keptMs: number },
): string[] {
  const ids: string[] = [];
  for (const { id, end, createdAtMs } of tasks.values()) {
    // By then its provider has forgotten it too.
    const lastMs = end?.atMs ?? createdAtMs + TIMEOUT_MS_MAX;
    if (at.nowMs - lastMs < at.keptMs) break;
    ids.push(id);
  }
  if (tasks.size - ids.length < ASKED_COUNT_MAX) return ids;
  for (const { id, end } of tasks.values()) if (end && !ids.includes(id)) return [...ids, id];
  throw new EasynetError("OVERLOADED", { subject: "This node's list of open tasks", queued: tasks.size });
}

/** The state of a task as its caller knows it without asking. */
export function lastStateOf({
  accepted,
  end,
}: Pick<AskedTask, "accepted" | "end">): Extract<
  TaskState,
  "submitted" | "working" | "completed" | "canceled" | "failed"
> {
  if (!end) return accepted ? "working" : "submitted";
  if (end.code === "") return "completed";
  return end.code === "CANCELLED" ? "canceled" : "failed";
}
