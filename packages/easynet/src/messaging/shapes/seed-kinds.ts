import { z } from "zod";
import type { KindDefinition } from "./kinds.ts";

const name = z.string().min(1).max(120);
const text = z.string().max(10_000);
const words = z.array(name).max(100);
const values = z.record(z.string().max(120), z.unknown());
const atMs = z.number().min(0);
const ratio = z.number().min(0).max(1);
const problem = z.object({ code: name, message: text.optional() });

/** Work that is asked for, and what asks for agreement or means. */
const WORK: readonly KindDefinition[] = [
  {
    name: "task-request",
    answer: "task-response",
    schema: z.object({
      taskId: name,
      taskType: name,
      parameters: values.optional(),
      requiredCapabilities: words.optional(),
      deadlineAtMs: atMs.optional(),
    }),
  },
  {
    name: "task-response",
    schema: z.object({
      taskId: name,
      state: z.enum([
        "submitted",
        "working",
        "input-required",
        "auth-required",
        "completed",
        "canceled",
        "failed",
        "rejected",
      ]),
      result: z.unknown().optional(),
      error: problem.optional(),
    }),
  },
  {
    name: "execute-task",
    schema: z.object({
      taskId: name,
      capability: name,
      args: z.array(z.unknown()).max(1_000).optional(),
      kwargs: values.optional(),
    }),
  },
  {
    name: "collaboration-request",
    answer: "collaboration-response",
    schema: z.object({ collaborationId: name, goal: text.min(1), roles: words.optional(), context: values.optional() }),
  },
  {
    name: "collaboration-response",
    schema: z.object({ collaborationId: name, accepted: z.boolean(), role: name.optional(), reason: text.optional() }),
  },
  {
    name: "resource-request",
    answer: "resource-response",
    schema: z.object({
      resource: name,
      amount: z.number().positive(),
      unit: name.optional(),
      durationMs: z.number().positive().optional(),
      purpose: text.optional(),
    }),
  },
  {
    name: "resource-response",
    schema: z.object({
      resource: name,
      granted: z.boolean(),
      amount: z.number().min(0).optional(),
      untilMs: atMs.optional(),
      reason: text.optional(),
    }),
  },
  { name: "command", schema: z.object({ command: name, parameters: values.optional() }) },
  { name: "query", durability: "volatile", schema: z.object({ query: text.min(1), parameters: values.optional() }) },
  /** What a handler returned, when the kind that it answers names no other. */
  { name: "response", durability: "volatile" },
];

/** What is told without being asked. */
const NEWS: readonly KindDefinition[] = [
  {
    name: "status-update",
    durability: "volatile",
    expiresInMs: 60_000,
    schema: z.object({ status: name, loadRatio: ratio.optional(), details: values.optional() }),
  },
  {
    name: "heartbeat",
    durability: "volatile",
    priority: "low",
    expiresInMs: 30_000,
    schema: z.object({ atMs: atMs.optional(), loadRatio: ratio.optional() }),
  },
  {
    name: "discovery",
    durability: "volatile",
    expiresInMs: 30_000,
    schema: z.object({ query: text.optional(), capability: name.optional() }),
  },
  {
    name: "conflict-notification",
    priority: "high",
    schema: z.object({ conflictId: name, parties: words.min(2), about: text.min(1), proposals: words.optional() }),
  },
  {
    name: "emergency",
    priority: "critical",
    schema: z.object({ reason: text.min(1), affected: words.optional(), details: values.optional() }),
  },
  {
    name: "state-sync",
    durability: "process",
    schema: z.object({ scope: name, version: z.union([z.number(), name]), state: z.unknown() }),
  },
  {
    name: "broadcast",
    durability: "volatile",
    expiresInMs: 60_000,
    schema: z.object({ subject: name, text: text.optional(), data: z.unknown().optional() }),
  },
];

/** Every kind of message that the first designs of the project name, with what its payload must hold; more may be in it. */
export const SEED_KINDS: readonly KindDefinition[] = [...WORK, ...NEWS];
