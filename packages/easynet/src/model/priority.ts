import { z } from "zod";

/** Urgency of a task or message; on the wire 0..3 in this order, 0 first. */
export const PRIORITIES = ["critical", "high", "normal", "low"] as const;

export const prioritySchema = z.enum(PRIORITIES);

export type Priority = z.infer<typeof prioritySchema>;

/** 0 (critical) to 3 (low). */
export function priorityRank(priority: Priority): number {
  return PRIORITIES.indexOf(priority);
}

/**
 * The words and numbers of other systems: `emergency` is critical; of 0 (least urgent) to 10, 9-10, 7-8, 4-6 and 0-3
 * are critical, high, normal and low. Words in any case, numbers also as text. Undefined for everything else.
 */
export function priorityFrom(value: string | number): Priority | undefined {
  if (typeof value === "string") {
    const word = value.trim().toLowerCase();
    if (/^\d{1,2}(\.\d+)?$/.test(word)) return priorityFrom(Number(word));
    return word === "emergency" ? "critical" : PRIORITIES.find((priority) => priority === word);
  }
  if (!(value >= 0 && value <= 10)) return undefined;
  if (value >= 9) return "critical";
  if (value >= 7) return "high";
  return value >= 4 ? "normal" : "low";
}
