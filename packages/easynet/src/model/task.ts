import { z } from "zod";

/** States of a task, those of A2A 1.0 (`TaskState`). */
export const TASK_STATES = [
  "submitted",
  "working",
  "input-required",
  "auth-required",
  "completed",
  "canceled",
  "failed",
  "rejected",
] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** A limit in code: whatever is absent is unlimited. */
export const budgetSchema = z
  .strictObject({
    money: z.number().min(0).optional(),
    /** ISO 4217 code, or `credits`; required with `money`. */
    currency: z.string().max(16).optional(),
    tokens: z.number().int().min(0).optional(),
    calls: z.number().int().min(0).optional(),
    timeMs: z.number().min(0).optional(),
  })
  .refine(({ money, currency }) => money === undefined || currency !== undefined, {
    error: "money needs a currency",
    path: ["currency"],
  });
export type Budget = z.infer<typeof budgetSchema>;

/** The arguments of a call: positional, named, or both. */
export interface TaskInput {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/** One earlier turn of a conversation. */
export interface ChatMessage {
  readonly role: "system" | "user" | "agent";
  readonly text: string;
}

export type UsageBasis = "reported" | "price-table" | "measured" | "unknown";

/**
 * What an agent says while it works: any number of events, then exactly one `final` or `error`.
 * Deltas are provisional; only `final` is the answer. `value` is any MessagePack value.
 */
export type AgentEvent =
  | { readonly type: "delta"; readonly text: string }
  | { readonly type: "thought"; readonly text: string }
  /** One yielded value of a streaming function. */
  | { readonly type: "item"; readonly value: unknown }
  | {
      readonly type: "tool";
      readonly id: string;
      readonly name: string;
      readonly status: "started" | "completed" | "failed";
      readonly input?: unknown;
      readonly output?: unknown;
    }
  | { readonly type: "ask"; readonly id: string; readonly question: string; readonly options: readonly string[] }
  | { readonly type: "artifact"; readonly name: string; readonly mediaType: string; readonly data: Uint8Array | string }
  | {
      readonly type: "usage";
      readonly inputTokens?: number;
      readonly outputTokens?: number;
      readonly money?: number;
      readonly calls?: number;
      readonly basis: UsageBasis;
    }
  | { readonly type: "final"; readonly value: unknown; readonly text?: string; readonly stop: StopReason }
  | { readonly type: "error"; readonly error: TaskError };

export type StopReason = "end" | "max-tokens" | "max-turns" | "refusal" | "cancelled";

/** An error inside an event; the kernel's wire form. */
export interface TaskError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}
