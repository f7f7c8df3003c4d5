/**
 * The messages between a node and a process on the same machine, over one WebSocket at /api/ws
 * (docs/protocol/attach.md). They live here because the gateway speaks the node's side and the SDK the process's side.
 */
import { z } from "zod";
import { type ErrorDetails, type WireError } from "../kernel/index.ts";
import {
  budgetSchema,
  capabilitySchema,
  type Budget,
  type ChatMessage,
  type JsonSchema,
  type Priority,
  prioritySchema,
} from "../model/index.ts";
import type { RoutedEvent } from "../routing/index.ts";
import type { NodeEvent } from "./types.ts";

/** Version of this protocol; `hello` names the one the process speaks. */
export const LOCAL_PROTOCOL = 1;
export const LOCAL_WEBSOCKET_PATH = "/api/ws";

/** WebSocket subprotocols: JSON text for any language, MessagePack for speed and bytes. JSON when none is asked for. */
export const LOCAL_SUBPROTOCOLS = { json: "easynet.json", msgpack: "easynet.msgpack" } as const;

export const LOCAL_LIMITS = {
  /** One message, encoded. A larger one closes the connection (WebSocket close code 1009). */
  messageBytesMax: 16 * 1024 * 1024,
  /** The first message must be `hello` and come this soon, else the connection is closed. */
  helloTimeoutMs: 5_000,
  /** Malformed messages that are answered; with the last of them the connection is closed. */
  malformedCountMax: 3,
  /** Stream events that may be under way before the receiver gives credit. */
  windowItems: 64,
  windowItemsMax: 1_024,
  /** Calls of one connection at once; one more is refused with OVERLOADED. */
  callsOpenMax: 1_024,
  /** Agents that one connection may offer, and functions of one agent. */
  agentsMax: 16,
  functionsMax: 1_000,
} as const;

/** WebSocket close codes of this protocol beside the standard ones. */
export const LOCAL_CLOSE_CODES = { malformed: 4400, unauthorized: 4401, helloTimeout: 4408, tooSlow: 4429 } as const;

const text = (lengthMax: number) => z.string().max(lengthMax);
/** A text that is shortened, not refused: a failure must always arrive, whatever the function wrote into it. */
const cut = (lengthMax: number) => z.string().transform((whole) => whole.slice(0, lengthMax));
const correlationSchema = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const argsSchema = z.array(z.unknown()).max(1_000).optional();
const kwargsSchema = z.record(z.string(), z.unknown()).optional();
const creditCountSchema = z.int().min(1).max(LOCAL_LIMITS.windowItemsMax);

/** A function as a process declares it: a capability of which only the name is required. */
export const functionDeclarationSchema = z.strictObject({
  ...capabilitySchema.omit({ createdAtMs: true, updatedAtMs: true }).partial().shape,
  name: capabilitySchema.shape.name,
});
export type FunctionDeclaration = z.infer<typeof functionDeclarationSchema>;

const chatMessageSchema = z.strictObject({ role: z.enum(["system", "user", "agent"]), text: z.string() });

/** What a process may say about an invocation beside items: an agent event that is neither item nor end. */
const progressEventSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("delta"), text: z.string() }),
  z.strictObject({ type: z.literal("thought"), text: z.string() }),
  z.strictObject({
    type: z.literal("tool"),
    id: text(120),
    name: text(120),
    status: z.enum(["started", "completed", "failed"]),
    input: z.unknown().exactOptional(),
    output: z.unknown().exactOptional(),
  }),
  z.strictObject({
    type: z.literal("artifact"),
    name: text(500),
    mediaType: text(120),
    data: z.union([z.string(), z.custom<Uint8Array>((data) => data instanceof Uint8Array)]),
  }),
  z.strictObject({
    type: z.literal("usage"),
    inputTokens: z.int().min(0).exactOptional(),
    outputTokens: z.int().min(0).exactOptional(),
    money: z.number().min(0).exactOptional(),
    calls: z.int().min(0).exactOptional(),
    basis: z.enum(["reported", "price-table", "measured", "unknown"]),
  }),
]);

/** Process to node. */
export const processMessageSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("hello"),
    protocol: z.int().min(1),
    token: text(200),
    /** What connects, for logs: program and version. */
    client: text(120).optional(),
  }),
  /**
   * Offers functions as one agent, or replaces those of an agent that this connection offers already; answered by
   * `registered` or `refused`.
   */
  z.strictObject({
    type: z.literal("register"),
    request: correlationSchema,
    /** Name of the agent, unique on the node; its key is kept under it. Made up when absent. */
    agent: text(120).min(1).optional(),
    description: text(2_000).optional(),
    agentType: text(40).optional(),
    /** May be empty for an agent that only takes messages. */
    functions: z.array(functionDeclarationSchema).max(LOCAL_LIMITS.functionsMax),
    /** Kinds of messages that the agent takes from other agents; they come as `invoke` with `message`. */
    handles: z.array(text(120).min(1)).max(LOCAL_LIMITS.functionsMax).optional(),
  }),
  /**
   * Sends a message from an agent of this connection: to another agent or a node, by name or did; with `topic` instead to
   * the members of that; with neither to every other agent. Answered by `answered` with what the handler returned
   * (without waiting for that: what became of it; to several: who got it), or by `refused`.
   */
  z.strictObject({
    type: z.literal("message"),
    request: correlationSchema,
    agent: text(120),
    to: text(120).min(1).optional(),
    topic: text(120).min(1).optional(),
    kind: text(120).min(1),
    payload: z.unknown().optional(),
    id: z.uuid().optional(),
    wait: z.enum(["stored", "acknowledged", "answer"]).optional(),
    durability: z.enum(["volatile", "process", "disk"]).optional(),
    signed: z.boolean().optional(),
    priority: prioritySchema.optional(),
    timeoutMs: z.number().min(1).max(604_800_000).optional(),
  }),
  /** Tells every node of the network at once; answered by `answered` with the message's id. */
  z.strictObject({
    type: z.literal("announce"),
    request: correlationSchema,
    agent: text(120),
    kind: text(120).min(1),
    payload: z.unknown().optional(),
  }),
  /** An agent of this connection joins a topic, or leaves it; answered by `answered`. */
  z.strictObject({
    type: z.literal("topic"),
    request: correlationSchema,
    agent: text(120),
    action: z.enum(["join", "leave"]),
    topic: text(120).min(1),
  }),
  /** Asks for the cards of the other agents in reach; answered by `answered`. */
  z.strictObject({ type: z.literal("peers"), request: correlationSchema, agent: text(120) }),
  /** Takes an agent back: it gets no more invocations; answered by `unregistered` or `refused`. */
  z.strictObject({ type: z.literal("unregister"), request: correlationSchema, agent: text(120) }),
  /** One yielded value of a streaming function; takes one credit. */
  z.strictObject({ type: z.literal("item"), invocation: correlationSchema, value: z.unknown().optional() }),
  /** An event of an agent beside its items; takes one credit. */
  z.strictObject({ type: z.literal("progress"), invocation: correlationSchema, event: progressEventSchema }),
  z.strictObject({ type: z.literal("result"), invocation: correlationSchema, value: z.unknown().optional() }),
  z.strictObject({
    type: z.literal("failure"),
    invocation: correlationSchema,
    /** `code` and `details` only from a process that raises easynet's own errors (docs/errors.md). */
    error: z.strictObject({
      name: cut(200),
      message: cut(10_000),
      code: text(80).optional(),
      details: z.record(text(80), z.union([text(1_000), z.number(), z.boolean()])).optional(),
    }),
  }),
  z.strictObject({
    type: z.literal("call"),
    /** Chosen by the process, unique among its open calls. */
    call: correlationSchema,
    capability: text(120).min(1),
    args: argsSchema,
    kwargs: kwargsSchema,
    /** Task id and idempotency key; made when absent. */
    id: text(120).min(1).optional(),
    target: text(120).optional(),
    timeoutMs: z.number().min(1).max(86_400_000).optional(),
    priority: prioritySchema.optional(),
    budget: budgetSchema.strict().optional(),
    session: text(120).optional(),
    trace: text(120).optional(),
    cause: text(120).optional(),
    depth: z.int().min(0).max(64).optional(),
    conversationHistory: z.array(chatMessageSchema).max(1_000).optional(),
    outputSchema: z.record(z.string(), z.unknown()).optional(),
    /** Credits to start with. @default 64 */
    window: creditCountSchema.optional(),
  }),
  /** Stops a call of this process. */
  z.strictObject({ type: z.literal("cancel"), call: correlationSchema }),
  /** Room for `count` more stream events of a call. */
  z.strictObject({ type: z.literal("credit"), call: correlationSchema, count: creditCountSchema }),
  /** From now on `node-event` messages; a second one changes nothing. */
  z.strictObject({ type: z.literal("subscribe") }),
  z.strictObject({ type: z.literal("ping"), payload: text(120).optional() }),
]);
export type ProcessMessage = z.infer<typeof processMessageSchema>;

/** What surrounds an invocation. */
export interface InvocationContext {
  readonly taskId: string;
  /** did:key of who asked, or `local`. */
  readonly from: string;
  readonly priority: Priority;
  /** Wall clock, Unix epoch ms. */
  readonly deadlineAtMs?: number;
  readonly budget: Budget;
  readonly conversationHistory?: readonly ChatMessage[];
  readonly outputSchema?: JsonSchema;
}

/** Node to process. */
export type NodeMessage =
  | { readonly type: "welcome"; readonly protocol: number; readonly did: string; readonly name: string }
  | { readonly type: "registered"; readonly request: number; readonly agent: string; readonly did: string }
  | { readonly type: "unregistered"; readonly request: number }
  | { readonly type: "answered"; readonly request: number; readonly value?: unknown }
  | { readonly type: "refused"; readonly request: number; readonly error: WireError }
  | {
      readonly type: "invoke";
      readonly invocation: number;
      readonly agent: string;
      readonly capability: string;
      readonly args: readonly unknown[];
      readonly kwargs: Readonly<Record<string, unknown>>;
      readonly context: InvocationContext;
      /** Set for a message: `capability` is then its kind and the only argument its payload. */
      readonly message?: { readonly id: string; readonly receivedAtMs: number };
    }
  /** Nobody waits for this invocation any more; what still comes for it is dropped. */
  | { readonly type: "cancel"; readonly invocation: number; readonly error: WireError }
  /** Room for `count` more items or progress events of an invocation. */
  | { readonly type: "credit"; readonly invocation: number; readonly count: number }
  /** Stream events (all but `assigned`, `retried`, `usage`, `final`, `error`) take one credit of the call. */
  | { readonly type: "event"; readonly call: number; readonly event: RoutedEvent }
  /** `droppedCount` events were left out before this one because the process read too slowly. */
  | { readonly type: "node-event"; readonly event: NodeEvent; readonly droppedCount?: number }
  | { readonly type: "pong"; readonly payload?: string }
  /** A message of the process was refused; the connection stays open unless it was the last one allowed. */
  | { readonly type: "error"; readonly error: WireError };

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const hasType = (value: unknown): boolean => isRecord(value) && typeof value["type"] === "string";

const wireErrorSchema = z.looseObject({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  details: z.custom<ErrorDetails>(isRecord),
});

/** Node to process, for the process's side. Unknown fields are ignored: a newer node may send more. */
export const nodeMessageSchema: z.ZodType<NodeMessage> = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("welcome"), protocol: z.int(), did: z.string(), name: z.string() }),
  z.looseObject({ type: z.literal("registered"), request: z.int(), agent: z.string(), did: z.string() }),
  z.looseObject({ type: z.literal("unregistered"), request: z.int() }),
  z.looseObject({ type: z.literal("answered"), request: z.int(), value: z.unknown().optional() }),
  z.looseObject({ type: z.literal("refused"), request: z.int(), error: wireErrorSchema }),
  z.looseObject({
    type: z.literal("invoke"),
    invocation: z.int(),
    agent: z.string(),
    capability: z.string(),
    args: z.array(z.unknown()),
    kwargs: z.record(z.string(), z.unknown()),
    context: z.custom<InvocationContext>(isRecord),
    message: z.looseObject({ id: z.string(), receivedAtMs: z.number() }).exactOptional(),
  }),
  z.looseObject({ type: z.literal("cancel"), invocation: z.int(), error: wireErrorSchema }),
  z.looseObject({ type: z.literal("credit"), invocation: z.int(), count: z.int() }),
  z.looseObject({ type: z.literal("event"), call: z.int(), event: z.custom<RoutedEvent>(hasType) }),
  z.looseObject({
    type: z.literal("node-event"),
    event: z.custom<NodeEvent>(hasType),
    droppedCount: z.int().exactOptional(),
  }),
  z.looseObject({ type: z.literal("pong"), payload: z.string().exactOptional() }),
  z.looseObject({ type: z.literal("error"), error: wireErrorSchema }),
]);

const CREDIT_EVENTS: ReadonlySet<RoutedEvent["type"]> = new Set([
  "delta",
  "thought",
  "item",
  "tool",
  "ask",
  "artifact",
] satisfies RoutedEvent["type"][]);

/** True for the events of a call that take a credit; all others are bounded in number. */
export function takesCredit(event: RoutedEvent): boolean {
  return CREDIT_EVENTS.has(event.type);
}
