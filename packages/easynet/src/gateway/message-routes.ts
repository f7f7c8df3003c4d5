import type { FastifyPluginCallbackZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { isEasynetError } from "../kernel/index.ts";
import type { DeadLetter, Kind } from "../messaging/index.ts";
import { priorityFrom, prioritySchema } from "../model/index.ts";
import { type EasynetNode, reviveJson } from "../node/index.ts";
import { decodeValue } from "../wire/index.ts";
import { problemSchema } from "./api-schemas.ts";
import type { RouteContext } from "./state-routes.ts";

const problems = { "4xx": problemSchema, "5xx": problemSchema };
const durabilitySchema = z.enum(["volatile", "process", "disk"]);
const name = z.string().min(1).max(120);

const sendSchema = z
  .strictObject({
    to: name.describe("An agent or a node, by name or did."),
    kind: name.describe("One of /api/messages/kinds; to an agent also a kind that only its handler knows."),
    payload: z.unknown().describe('Bytes are written as {"$bytes": "<base64>"}.'),
    id: z
      .uuid()
      .optional()
      .describe("A durable request that is sent again under its id gets the answer of the first; made when absent."),
    wait: z
      .enum(["stored", "acknowledged", "answer"])
      .optional()
      .describe(
        "What the response waits for: this node has stored it, the receiver has it, its handler answered (default).",
      ),
    durability: durabilitySchema.optional().describe("As the kind says when absent."),
    signed: z.boolean().optional().describe("The receiving node can prove to others that this node sent it."),
    priority: z
      .union([prioritySchema, z.literal("emergency"), z.number().min(0).max(10)])
      .optional()
      .describe("A word, or 0 to 10 with 10 first; emergency is critical."),
    timeoutMs: z
      .number()
      .min(1)
      .max(604_800_000)
      .optional()
      .describe("How long it may be under way; 30 000 for an answer."),
  })
  .meta({ id: "SendMessage" });

const sentSchema = z
  .object({
    id: z.string(),
    node: z.string().describe("did:key of the node it went to."),
    state: z.enum(["stored", "acknowledged", "answered"]),
    answer: z.unknown().optional().describe("What the receiver's handler returned."),
  })
  .meta({ id: "SentMessage" });

const countsSchema = z.record(z.string(), z.number());

const waitingSchema = z
  .object({
    peer: z.string(),
    peerName: z.string(),
    priority: prioritySchema,
    queued: z.number().int().describe("Messages that the peer has not acknowledged."),
    bytes: z.number(),
    oldestAtMs: z.number(),
    handed: z.number().int().optional().describe("How many of them another member keeps too, sealed."),
    holder: z.string().optional().describe("That member."),
    holderName: z.string().optional(),
  })
  .meta({ id: "WaitingMessages" });

const proofSchema = z
  .object({ id: z.string(), proof: z.string().describe("Base64; easynet messages verify checks it.") })
  .meta({ id: "MessageProof" });

const heldSchema = z
  .object({
    sender: z.string(),
    senderName: z.string(),
    recipient: z.string(),
    recipientName: z.string(),
    batches: z.number().int(),
    bytes: z.number(),
  })
  .meta({ id: "HeldMessages" });

const stateSchema = z.object({
  counts: countsSchema,
  outbox: z.array(waitingSchema),
  held: z.array(heldSchema).describe("What this node keeps, sealed, for members that are away."),
});

const deadLetterSchema = z
  .object({
    key: z.string().describe("Names the letter for requeue and drop."),
    direction: z.enum(["in", "out"]).describe("out: it never left this node; in: it came and was not handled."),
    peer: z.string(),
    peerName: z.string(),
    priority: prioritySchema,
    reason: z.string(),
    id: z.string(),
    kind: z.string(),
    payload: z.unknown().optional().describe("Absent when it cannot be read."),
    attempts: z.number().int(),
    firstError: z.string(),
    lastError: z.string(),
    diedAtMs: z.number(),
  })
  .meta({ id: "DeadLetter" });

const kindSchema = z
  .object({
    name: z.string(),
    durability: durabilitySchema,
    priority: prioritySchema,
    expiresInMs: z.number(),
    answer: z.string().describe("Kind of the message that answers it."),
    checked: z.boolean().describe("Whether its payload has a schema."),
  })
  .meta({ id: "MessageKind" });

const keySchema = z.strictObject({ key: z.string().min(1).max(500) }).meta({ id: "DeadLetterKey" });
const doneSchema = z.object({ key: z.string() });

/** Routes about messages: send one, see what waits and what failed, and what to do with that. */
export function messageRoutes({ options: { node } }: RouteContext): FastifyPluginCallbackZod {
  return (app, _, done) => {
    app.post(
      "/api/messages",
      {
        schema: {
          summary: "Send a message to an agent or node",
          body: sendSchema,
          response: { 200: sentSchema, ...problems },
        },
      },
      ({ body: { to, payload, priority, ...content } }) =>
        node.messages.send(to, {
          ...content,
          payload: reviveJson(payload),
          ...(priority !== undefined && { priority: priorityFrom(priority) }),
        }),
    );
    app.get(
      "/api/messages",
      {
        schema: {
          summary: "What waits for which peer, and counts since the start",
          response: { 200: stateSchema, ...problems },
        },
      },
      () => ({
        counts: { ...node.messages.counts() },
        outbox: node.messages.outbox().map((waiting) => ({
          ...waiting,
          peerName: nameOf(node, waiting.peer),
          ...(waiting.holder !== undefined && { holderName: nameOf(node, waiting.holder) }),
        })),
        held: node.messages.held().map((held) => ({
          ...held,
          senderName: nameOf(node, held.sender),
          recipientName: nameOf(node, held.recipient),
        })),
      }),
    );
    app.get(
      "/api/messages/kinds",
      {
        schema: {
          summary: "The kinds of messages that this node knows",
          response: { 200: z.object({ kinds: z.array(kindSchema) }), ...problems },
        },
      },
      () => ({ kinds: node.messages.kinds.names().map((kind) => kindBody(node.messages.kinds.require(kind))) }),
    );
    keptRoutes(app, node);
    deadLetterRoutes(app, node);
    done();
  };
}

/** What is kept of messages that were answered or signed, by id. */
function keptRoutes(app: Parameters<FastifyPluginCallbackZod>[0], node: EasynetNode): void {
  app.get(
    "/api/messages/answer",
    {
      schema: {
        summary: "The answer to a durable request, by id, also after a restart of this node",
        querystring: z.strictObject({ id: name }),
        response: { 200: z.object({ id: z.string(), answer: z.unknown() }), ...problems },
      },
    },
    async ({ query: { id } }) => ({ id, answer: await node.messages.answer(id) }),
  );
  app.get(
    "/api/messages/proof",
    {
      schema: {
        summary: "A proof that a signed message came from its sender",
        querystring: z.strictObject({ id: name }),
        response: { 200: proofSchema, ...problems },
      },
    },
    ({ query: { id } }) => ({ id, proof: Buffer.from(node.messages.prove(id)).toString("base64") }),
  );
}

function deadLetterRoutes(app: Parameters<FastifyPluginCallbackZod>[0], node: EasynetNode): void {
  const { deadLetters } = node.messages;
  app.get(
    "/api/messages/dead-letters",
    {
      schema: {
        summary: "Messages that ended without being handled, oldest first",
        querystring: z.strictObject({
          after: z.string().max(500).optional().describe("Only letters after this key."),
          limit: z.coerce.number().int().min(1).max(1_000).optional().describe("100 when absent."),
        }),
        response: { 200: z.object({ deadLetters: z.array(deadLetterSchema) }), ...problems },
      },
    },
    ({ query: { after, limit } }) => ({
      deadLetters: deadLetters
        .list({ ...(after !== undefined && { after }), ...(limit !== undefined && { limit }) })
        .map((letter) => deadLetterBody(node, letter)),
    }),
  );
  app.post(
    "/api/messages/dead-letters/requeue",
    {
      schema: {
        summary: "Send or handle a dead letter again",
        body: keySchema,
        response: { 200: doneSchema, ...problems },
      },
    },
    async ({ body: { key } }) => {
      await deadLetters.requeue(key);
      return { key };
    },
  );
  app.post(
    "/api/messages/dead-letters/drop",
    { schema: { summary: "Throw a dead letter away", body: keySchema, response: { 200: doneSchema, ...problems } } },
    async ({ body: { key } }) => {
      await deadLetters.drop(key);
      return { key };
    },
  );
}

function kindBody({ name: kind, durability, priority, expiresInMs, answer, schema }: Kind): z.infer<typeof kindSchema> {
  return { name: kind, durability, priority, expiresInMs, answer, checked: schema !== undefined };
}

function deadLetterBody(node: EasynetNode, letter: DeadLetter): z.infer<typeof deadLetterSchema> {
  const { payload, ...rest } = letter;
  return { ...rest, peerName: nameOf(node, letter.peer), payload: valueOf(payload) };
}

/** The payload that the sender gave: the second element of what travels (docs/protocol/message-bodies.md). */
function valueOf(payload: Uint8Array): unknown {
  try {
    const body = decodeValue(payload);
    return Array.isArray(body) ? body[1] : undefined;
  } catch (error) {
    if (!isEasynetError(error)) throw error;
    return undefined;
  }
}

function nameOf(node: EasynetNode, did: string): string {
  const found = node.peers().find((peer) => peer.did === did) ?? (did === node.did ? node : undefined);
  return found?.name ?? did;
}
