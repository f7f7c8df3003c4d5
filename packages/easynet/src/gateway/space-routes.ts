import type { FastifyPluginCallbackZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { EasynetError } from "../kernel/index.ts";
import { reviveJson } from "../node/index.ts";
import {
  type Backup,
  type Change,
  CONSISTENCIES,
  MERGE_RULES,
  type SpaceReport,
  spaceSpecSchema,
} from "../state/index.ts";
import { problemSchema } from "./api-schemas.ts";
import { RESTORE_BYTES_MAX } from "./limits.ts";
import type { RouteContext } from "./state-routes.ts";

const problems = { "4xx": problemSchema, "5xx": problemSchema };
const text = (lengthMax: number) => z.string().max(lengthMax);
const params = z.strictObject({ space: text(64).min(1) });
const key = text(400).min(1);
const token = text(512 * 1024).describe("What a session has seen, from an earlier answer.");
const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

const readSchema = z.strictObject({
  key,
  consistency: z.enum(CONSISTENCIES).optional().describe("local when absent."),
  token: token.optional(),
  stalenessMs: whole(0, 86_400_000).optional().describe("With bounded; 1 000 when absent."),
  timeoutMs: whole(1, 600_000).optional().describe("How long to wait for other replicas; 5 000 when absent."),
});

const versionSchema = z
  .object({
    value: z.unknown().optional().describe("Absent: a delete."),
    writer: z.string(),
    counter: z.number(),
    atMs: z.number(),
  })
  .meta({ id: "StateVersion" });

const readingSchema = z
  .object({
    key: z.string(),
    found: z.boolean(),
    value: z.unknown().optional(),
    versions: z.array(versionSchema).readonly().describe("What nobody has overwritten, the one that counts first."),
    conflict: z.boolean().describe("keep-both: somebody has to decide."),
    token,
  })
  .meta({ id: "StateReading" });

const changeSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("put"), value: z.unknown() }),
  z.strictObject({ kind: z.literal("delete") }),
  z.strictObject({ kind: z.literal("increment"), by: z.number() }),
  z.strictObject({ kind: z.literal("add"), element: z.unknown() }),
  z.strictObject({ kind: z.literal("remove"), element: z.unknown() }),
]);

const writeSchema = z
  .strictObject({
    key,
    change: changeSchema,
    consistency: z.enum(CONSISTENCIES).optional().describe("linearizable goes through the majority."),
    resolve: z.boolean().optional().describe("keep-both: takes the place of all alternatives."),
  })
  .meta({ id: "StateWrite" });

const receiptSchema = z
  .object({ key: z.string(), token, revision: z.number().optional() })
  .meta({ id: "StateReceipt" });

const reportSchema = z
  .object({
    name: z.string(),
    merge: z.enum(MERGE_RULES),
    replicas: z.union([z.literal("everyone"), z.array(z.string())]),
    entriesMax: z.number(),
    bytesMax: z.number(),
    valueBytesMax: z.number(),
    historyMax: z.number(),
    entries: z.number(),
    bytes: z.number(),
    tombstones: z.number(),
    token,
    reachable: z.array(z.string()).readonly(),
    unreachable: z.array(z.string()).readonly().describe("Replicas on the other side of a partition, or stopped."),
  })
  .meta({ id: "StateSpace" });

const backupSchema = z
  .strictObject({
    space: z.string(),
    merge: z.enum(MERGE_RULES),
    takenAtMs: z.number(),
    entries: z.array(z.strictObject({ key, value: z.unknown(), alternatives: z.array(z.unknown()).optional() })),
  })
  .meta({ id: "StateBackup" });

const recordSchema = z
  .object({
    stateId: z.string(),
    agentId: z.string(),
    version: z.number(),
    vectorClock: z.record(z.string(), z.number()),
    data: z.unknown(),
    replicas: z.array(z.string()).readonly(),
    consistencyLevel: z.enum(CONSISTENCIES),
  })
  .meta({ id: "DistributedState" });

/** Spaces of shared state: what they are, and their keys. */
export function spaceRoutes({ options, streams }: RouteContext): FastifyPluginCallbackZod {
  const { state } = options.node;
  return (app, _, done) => {
    app.get(
      "/api/state",
      {
        schema: {
          summary: "Spaces of shared state",
          response: { 200: z.object({ spaces: z.array(reportSchema) }), ...problems },
        },
      },
      () => ({ spaces: state.spaces().map(reportBody) }),
    );
    app.put(
      "/api/state/:space",
      {
        schema: {
          summary: "Make a space, or change what it is, for all members",
          params,
          body: spaceSpecSchema.meta({ id: "StateSpaceSpec" }),
          response: { 200: reportSchema, ...problems },
        },
      },
      async ({ params: { space }, body }) => reportBody(await state.declare(space, body)),
    );
    app.post(
      "/api/state/:space/sync",
      {
        schema: {
          summary: "Ask every replica in reach for what is missing here",
          params,
          response: { 200: reportSchema, ...problems },
        },
      },
      async ({ params: { space } }) => reportBody(await state.sync({ space })),
    );
    app.get(
      "/api/state/:space/events",
      {
        schema: {
          summary: "Changes of a key, or of keys that begin so, as server-sent events",
          params,
          querystring: z.strictObject({ key: key.optional(), prefix: key.optional() }),
          response: problems,
        },
      },
      ({ params: { space }, query }, reply) => {
        const filter = { space, ...(query.key !== undefined && { key: query.key }) };
        const within = { ...filter, ...(query.prefix !== undefined && { prefix: query.prefix }) };
        const early: { offer?: (event: unknown) => void } = {};
        // First, because who may not watch gets an answer and no stream.
        const subscription = state.watch(within, (event) => early.offer?.(event));
        const stream = streams.open(reply.raw);
        reply.hijack();
        early.offer = (event) => stream.offer("change", event);
        stream.signal.addEventListener("abort", () => subscription[Symbol.dispose](), { once: true });
      },
    );
    done();
  };
}

/** Keys of a space. They stand in the query and not in the path, because they may be long and hold any letter. */
export function spaceKeyRoutes({ options }: RouteContext): FastifyPluginCallbackZod {
  const { state } = options.node;
  return (app, _, done) => {
    app.get(
      "/api/state/:space/value",
      {
        schema: {
          summary: "Read a key, as consistent as asked for",
          params,
          querystring: readSchema,
          response: { 200: readingSchema, ...problems },
        },
      },
      ({ params: { space }, query: { key: name, ...how } }) => state.get(name, { space, ...how }),
    );
    app.post(
      "/api/state/:space/value",
      {
        schema: {
          summary: "Write a key",
          description: 'Bytes are written as {"$bytes": "<base64>"}.',
          params,
          body: writeSchema,
          response: { 200: receiptSchema, ...problems },
        },
      },
      ({ params: { space }, body }) => state.write(body.key, changeOf(body.change), { ...body, space }),
    );
    app.get(
      "/api/state/:space/keys",
      {
        schema: {
          summary: "Keys with their values, in order; go on with `after`",
          params,
          querystring: z.strictObject({
            prefix: key.optional(),
            after: key.optional(),
            limit: whole(1, 1000).optional(),
          }),
          response: { 200: z.object({ entries: z.array(readingSchema).readonly() }), ...problems },
        },
      },
      ({ params: { space }, query }) => {
        const { prefix, after, limit } = query;
        const page = { ...(prefix !== undefined && { prefix }), ...(after !== undefined && { after }) };
        return { entries: state.list({ space, ...page, ...(limit !== undefined && { limit }) }) };
      },
    );
    done();
  };
}

/** What was, and all of it: history, records, copies. */
export function spaceCopyRoutes({ options }: RouteContext): FastifyPluginCallbackZod {
  const { state } = options.node;
  return (app, _, done) => {
    app.get(
      "/api/state/:space/history",
      {
        schema: {
          summary: "Changes of a key that this replica saw, the latest first",
          params,
          querystring: z.strictObject({ key }),
          response: { 200: z.object({ versions: z.array(versionSchema).readonly() }), ...problems },
        },
      },
      ({ params: { space }, query }) => ({ versions: state.history(query.key, { space }) }),
    );
    app.get(
      "/api/state/:space/record",
      {
        schema: {
          summary: "A key as one record: who wrote it, its vector clock, its replicas",
          params,
          querystring: readSchema,
          response: { 200: recordSchema, ...problems },
        },
      },
      async ({ params: { space }, query: { key: name, ...how } }) => {
        const record = await state.record(name, { space, ...how });
        return { ...record, vectorClock: { ...record.vectorClock } };
      },
    );
    app.get(
      "/api/state/:space/backup",
      {
        schema: {
          summary: "All entries of a space, for restore",
          params,
          response: { 200: backupSchema, ...problems },
        },
      },
      ({ params: { space } }) => {
        const { entries, ...rest } = state.backup({ space });
        return {
          ...rest,
          entries: entries.map(({ alternatives, ...entry }) => ({
            ...entry,
            ...(alternatives && { alternatives: [...alternatives] }),
          })),
        };
      },
    );
    app.post(
      "/api/state/:space/restore",
      {
        bodyLimit: RESTORE_BYTES_MAX,
        schema: {
          summary: "Write every entry of a backup anew, over what is there",
          params,
          body: backupSchema,
          response: { 200: z.object({ restored: z.number() }), ...problems },
        },
      },
      async ({ params: { space }, body }) => ({ restored: await state.restore(backupOf(body), { space }) }),
    );
    done();
  };
}

function reportBody({ replicas, ...report }: SpaceReport): z.infer<typeof reportSchema> {
  return { ...report, replicas: typeof replicas === "string" ? replicas : [...replicas] };
}

function changeOf(change: z.infer<typeof changeSchema>): Change {
  if (change.kind === "put") return { kind: "put", value: reviveJson(change.value) };
  if (change.kind === "add" || change.kind === "remove") return { ...change, element: reviveJson(change.element) };
  return change;
}

function backupOf({ entries, ...rest }: z.infer<typeof backupSchema>): Backup {
  const revived = entries.map(({ key: name, value, alternatives }) => ({
    key: name,
    value: reviveJson(value),
    ...(alternatives && { alternatives: alternatives.map(reviveJson) }),
  }));
  if (revived.some(({ value }) => value === undefined)) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "The backup", reason: "an entry has no value" });
  }
  return { ...rest, entries: revived };
}
