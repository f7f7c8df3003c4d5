import { Readable } from "node:stream";
import type { FastifyPluginCallbackZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { EasynetError } from "../kernel/index.ts";
import { problemSchema } from "./api-schemas.ts";
import { ARTIFACT_BYTES_MAX } from "./limits.ts";
import type { RouteContext } from "./state-routes.ts";

const problems = { "4xx": problemSchema, "5xx": problemSchema };
const BINARY = "application/octet-stream";

const artifactSchema = z
  .object({
    cid: z.string().describe("Content address: CID version 1 in base32."),
    bytes: z.number(),
    pinned: z.boolean().describe("Stays when the store is full."),
    public: z.literal(true).optional().describe("Nodes of IPFS get it too, where the setting ipfs is on."),
    complete: z.boolean().describe("False: only a part of it is here."),
    usedAtMs: z.number(),
    expiresAtMs: z.number().optional().describe("Removed then, because it came with a message; absent = kept."),
  })
  .meta({ id: "Artifact" });
const listSchema = z.object({
  artifacts: z.array(artifactSchema).readonly(),
  usedBytes: z.number().describe("What all of them take on disk."),
  quotaBytes: z.number().describe("What they may take; then those not used for longest go."),
});
const params = z.strictObject({ cid: z.string().min(1).max(100) });

/** Bulk data by content address. Bodies are streams: nothing is in memory as a whole. */
export function artifactBodyRoutes({ options, bodies }: RouteContext): FastifyPluginCallbackZod {
  const { artifacts } = options.node;
  return (app, _, done) => {
    // The body itself, not what would be parsed from it.
    app.addContentTypeParser(BINARY, (__, payload, parsed) => parsed(null, payload));
    app.post(
      "/api/artifacts",
      {
        bodyLimit: ARTIFACT_BYTES_MAX,
        onRequest: async ({ raw }) => bodies.allow(raw),
        schema: {
          summary: "Keep the bytes of the body as an artifact",
          description: `The body is the content, as ${BINARY}, of any length up to the limit; it is read as a stream.`,
          consumes: [BINARY],
          querystring: z.strictObject({
            pin: z.enum(["true", "false"]).optional(),
            public: z.enum(["true", "false"]).optional().describe("Anybody may get it, not only members."),
          }),
          response: { 200: artifactSchema, ...problems },
        },
      },
      async ({ body, query }) => {
        if (!(body instanceof Readable)) {
          throw new EasynetError("INVALID_ARGUMENT", { subject: "The request body", reason: `it is not ${BINARY}` });
        }
        return artifacts.put(body, { pin: query.pin === "true", public: query.public === "true" });
      },
    );
    app.get(
      "/api/artifacts/:cid",
      {
        schema: {
          summary: "The bytes of an artifact, fetched from members first when this node does not have it",
          description: `The body is ${BINARY}. It begins once everything is here and verified.`,
          params,
          response: { 200: z.any().describe("The content."), ...problems },
        },
      },
      async ({ params: { cid } }, reply) => {
        const reader = new AbortController();
        reply.raw.once("close", () => reader.abort());
        const { bytes } = await artifacts.fetch(cid, { signal: reader.signal });
        reply.header("content-type", BINARY).header("content-length", bytes);
        return reply.send(Readable.from(artifacts.open(cid)));
      },
    );
    done();
  };
}

/** What is kept. */
export function artifactRoutes({ options }: RouteContext): FastifyPluginCallbackZod {
  const { artifacts } = options.node;
  return (app, _, done) => {
    app.get(
      "/api/artifacts",
      {
        schema: {
          summary: "Artifacts on this node, unfinished ones included",
          response: { 200: listSchema, ...problems },
        },
      },
      () => ({ artifacts: artifacts.list(), ...artifacts.usage() }),
    );
    app.put(
      "/api/artifacts/:cid/pin",
      {
        schema: {
          summary: "Keep an artifact when the store is full, or no longer",
          params,
          body: z.strictObject({ pinned: z.boolean() }),
          response: { 200: artifactSchema, ...problems },
        },
      },
      async ({ params: { cid }, body }) => {
        await artifacts.pin(cid, body.pinned);
        return known(artifacts.get(cid), cid);
      },
    );
    app.delete(
      "/api/artifacts/:cid",
      {
        schema: {
          summary: "Remove an artifact from this node",
          params,
          response: { 200: z.object({ cid: z.string() }), ...problems },
        },
      },
      async ({ params: { cid } }) => {
        await artifacts.remove(cid);
        return { cid };
      },
    );
    done();
  };
}

function known<Value>(value: Value | undefined, cid: string): Value {
  if (value !== undefined) return value;
  throw new EasynetError("ARTIFACT_NOT_FOUND", { cid });
}
