/** Requests and responses of the local API; docs/openapi.json derives from them. */
import { z } from "zod";
import { QUERY_LENGTH_MAX } from "../state/index.ts";
import { budgetSchema, capabilitySchema, priorityFrom, prioritySchema, resourcesSchema } from "../model/index.ts";

const text = (lengthMax: number) => z.string().max(lengthMax);
const name = text(120).min(1);

const loadSchema = z.object({
  running: z.number(),
  queued: z.number(),
  slots: z.number(),
  cpuRatio: z.number(),
  memoryRatio: z.number(),
});

export const statusSchema = z
  .object({
    version: z.string(),
    did: z.string(),
    name: z.string(),
    network: z.object({ did: z.string(), name: z.string() }),
    startedAtMs: z.number(),
    pid: z.number(),
    addresses: z.array(z.string()).readonly(),
    load: loadSchema,
    resources: resourcesSchema,
    counts: z.object({ peers: z.number(), nodes: z.number(), agents: z.number(), tasksRunning: z.number() }),
    counters: z.record(z.string(), z.number()),
    duplicate: z
      .object({
        address: z.string(),
        otherStartedAtMs: z.number(),
        lastSeenAtMs: z.number(),
        steppedBack: z.boolean(),
      })
      .optional()
      .describe("Another process runs with this node's key; absent when none is known."),
    discovery: z.array(z.object({ interface: z.string(), address: z.string(), state: z.string() })).readonly(),
    bridges: z
      .array(
        z.object({
          kind: z.literal("nats"),
          servers: z.string(),
          stream: z.string(),
          linked: z.boolean(),
          reason: z.string().describe("Why it is not linked; empty when it is, or was not tried yet."),
          waiting: z.number().describe("Messages that wait on disk."),
        }),
      )
      .readonly()
      .describe("Where topics are mirrored to."),
  })
  .meta({ id: "Status" });

export const peerSchema = z
  .object({
    did: z.string(),
    name: z.string(),
    address: z.string(),
    direction: z.enum(["inbound", "outbound"]),
    connectedAtMs: z.number(),
    rttMs: z.number().optional().describe("Last measured round trip in ms; absent before the first."),
    via: z.string().optional().describe("Name of the member that carries the link; absent = direct."),
  })
  .meta({ id: "Peer" });

export const agentsQuerySchema = z.strictObject({
  capability: name.optional().describe("Only agents that offer exactly this capability, and only that capability."),
  agent: name.optional().describe("Only the agent of this name or did."),
  where: text(QUERY_LENGTH_MAX).optional().describe("A query as of /api/find, beside the other two."),
});

export const findQuerySchema = z.strictObject({
  q: text(QUERY_LENGTH_MAX).describe(
    "Such as: capability:ocr lang:zh price<0.1 gpu:true tag:fast. All terms must hold.",
  ),
});

/** How this node reaches another one: three things that are not the same as its being alive. */
const pathSchema = z.object({
  kind: z.enum(["local", "link", "none"]).describe("none: known from others only, or lost."),
  address: z.string().optional(),
  rttMs: z.number().optional(),
});

export const foundSchema = z
  .object({
    agent: z.string(),
    agentId: z.string().describe("did:key of the agent."),
    agentType: z.string(),
    node: z.string().describe("did:key of the node."),
    nodeName: z.string(),
    status: z.string(),
    capability: capabilitySchema,
  })
  .meta({ id: "FoundOffer" });
export type FoundOffer = z.infer<typeof foundSchema>;

export const maintenanceSchema = z.strictObject({ on: z.boolean() }).meta({ id: "Maintenance" });

export const agentSchema = z
  .object({
    id: z.string().describe("did:key of the agent."),
    name: z.string(),
    agentType: z.string(),
    description: z.string(),
    node: z.object({
      did: z.string(),
      name: z.string(),
      status: z.string().describe("alive, suspect, dead or maintenance."),
      seedStatus: z.string().describe("The same in the words active, inactive, disconnected, maintenance."),
      lastSeenAtMs: z.number().describe("Last sign of life by this node's clock, Unix epoch ms."),
      path: pathSchema,
      busy: z.boolean().describe("True when all its slots are taken, by the load that it told last."),
      load: loadSchema.optional().describe("Absent until the node told its load."),
    }),
    capabilities: z.array(capabilitySchema),
    missing: z
      .array(z.string())
      .describe("Capabilities that those listed depend on and that nobody in reach offers; empty = ready."),
  })
  .meta({ id: "Agent" });
export type AgentReport = z.infer<typeof agentSchema>;

export const callSchema = z
  .strictObject({
    capability: name,
    args: z.array(z.unknown()).max(1_000).optional().describe('Bytes are written as {"$bytes": "<base64>"}.'),
    kwargs: z.record(z.string(), z.unknown()).optional(),
    timeoutMs: z.number().min(1).max(86_400_000).optional().describe("60 000 when absent."),
    priority: z
      .union([prioritySchema, z.literal("emergency"), z.number().min(0).max(10)])
      .optional()
      .describe("A word, or 0 to 10 with 10 first; emergency is critical."),
    budget: budgetSchema.strict().optional(),
    target: name.optional().describe("Only this agent or node, by name or did."),
    id: name.optional().describe("Task id and idempotency key; made when absent."),
  })
  .meta({ id: "Call" });
export type CallBody = z.infer<typeof callSchema>;

/** The priority of a call body in our words; undefined when it names none. */
export function priorityOf(body: CallBody): ReturnType<typeof priorityFrom> {
  return body.priority === undefined ? undefined : priorityFrom(body.priority);
}

export const callResultSchema = z
  .object({
    taskId: z.string(),
    value: z.unknown().describe("What the function returned."),
    text: z.string().optional().describe("The answer as text, of agents that write text."),
    items: z.array(z.unknown()).optional().describe("What a streaming function yielded, in order."),
    node: z.string().describe("did:key of the node that worked on it."),
    nodeName: z.string(),
    agent: z.string(),
    durationMs: z.number(),
    attempts: z.number().int(),
    usage: z
      .object({
        inputTokens: z.number().optional(),
        outputTokens: z.number().optional(),
        money: z.number().optional(),
        calls: z.number().optional(),
        basis: z.string(),
      })
      .optional(),
  })
  .meta({ id: "CallResult" });
export type CallResult = z.infer<typeof callResultSchema>;

export const connectSchema = z
  .strictObject({ address: text(500).min(1).describe("host:port#did, or a multiaddr.") })
  .meta({ id: "Connect" });

export const membershipRequestSchema = z
  .strictObject({ member: text(80).min(1).describe("did:key of the machine that shall become a member.") })
  .meta({ id: "MembershipRequest" });

export const membershipSchema = z
  .object({
    network: z.string(),
    networkName: z.string(),
    member: z.string(),
    delegation: z.string().describe("UCAN delegation, base64."),
    addresses: z.array(z.string()).readonly(),
  })
  .meta({ id: "Membership" });

export const problemSchema = z
  .object({
    type: z.string().describe("urn:easynet:error:CODE"),
    title: z.string(),
    status: z.number().int(),
    code: z.string().describe("A row of the error table, docs/errors.md."),
    detail: z.string().describe("What happened and what to do, in English or Chinese by Accept-Language."),
    retryable: z.boolean(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  })
  .meta({ id: "Problem" });
