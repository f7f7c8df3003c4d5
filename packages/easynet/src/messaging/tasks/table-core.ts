/** What a provider decides about stored tasks, from what it knows of them. */
import type { TaskOpening } from "../types.ts";
import type { TaskLimits } from "./limits.ts";

/** A task as its caller asks for it. */
export interface Asked {
  readonly task: TaskOpening;
  /** Digest of what is to be done. */
  readonly digest: string;
  /** Time in the task's id, Unix epoch ms by the caller's clock; undefined for an id without one. */
  readonly idAtMs: number | undefined;
}

/** What the provider has. */
export interface Had {
  readonly digest: string;
  /** The largest number after which an event is there or is still to come. */
  readonly cursorMax: number;
}

export type Verdict =
  | { readonly kind: "start" }
  | { readonly kind: "attach" }
  | { readonly kind: "reused" }
  | { readonly kind: "forgotten" }
  | { readonly kind: "ahead" };

/**
 * The id is the idempotency key. @param forgottenAtMs time in the youngest id of this caller whose outcome was
 * forgotten: an unknown id that is not younger may be one of them, and is not begun a second time
 */
export function judge(asked: Asked, had: Had | undefined, forgottenAtMs: number): Verdict {
  const { task, digest, idAtMs } = asked;
  if (!had) {
    const mayBeForgotten = idAtMs !== undefined && idAtMs <= forgottenAtMs;
    return task.start && task.cursor === 0 && !mayBeForgotten ? { kind: "start" } : { kind: "forgotten" };
  }
  if (task.start && digest !== had.digest) return { kind: "reused" };
  return task.cursor > had.cursorMax ? { kind: "ahead" } : { kind: "attach" };
}

/** What is known of an unfinished task when its node starts again. */
export interface Unfinished {
  /** The capability is read-only or says that it may be run twice. */
  readonly repeatable: boolean;
  /** Output of the first run is on disk; the caller may have seen it, and a second run would show it twice. */
  readonly shown: boolean;
}

export function afterRestart({ repeatable, shown }: Unfinished): "again" | "interrupted" {
  return repeatable && !shown ? "again" : "interrupted";
}

/** A finished task, as far as forgetting it goes. */
export interface Finished {
  readonly key: string;
  readonly endedAtMs: number;
  readonly bytes: number;
}

export interface Kept {
  readonly count: number;
  readonly bytes: number;
}

/** Which outcomes to forget. @param oldest finished tasks, first ended first @param kept of all tasks */
export function toForget(
  oldest: Iterable<Finished>,
  kept: Kept,
  at: TaskLimits & { readonly nowMs: number },
): string[] {
  const keys: string[] = [];
  let { count, bytes } = kept;
  for (const task of oldest) {
    const isOld = at.nowMs - task.endedAtMs >= at.keptMs;
    if (!isOld && count < at.keptCountMax && bytes < at.keptBytesMax) break;
    keys.push(task.key);
    count--;
    bytes -= task.bytes;
  }
  return keys;
}

/** The time in a UUIDv7 (RFC 9562 section 5.7), Unix epoch ms; undefined for any other text. */
export function idTimeMs(id: string): number | undefined {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.exec(id);
  return match ? Number.parseInt(`${match[1]}${match[2]}`, 16) : undefined;
}
