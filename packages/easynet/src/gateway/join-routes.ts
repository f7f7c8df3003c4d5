import type { FastifyPluginCallbackZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { problemSchema } from "./api-schemas.ts";
import type { RouteContext } from "./state-routes.ts";

const problems = { "4xx": problemSchema, "5xx": problemSchema };

const inviteSchema = z
  .object({
    id: z.string(),
    code: z.string().optional().describe("What easynet join takes; only in the answer that made it."),
    usesMax: z.number().int(),
    joined: z.array(z.string()).readonly().describe("Dids of those who joined with it."),
    expiresAtMs: z.number(),
    revoked: z.boolean(),
  })
  .meta({ id: "Invite" });

const inviteRequestSchema = z
  .strictObject({
    uses: z.number().int().min(1).max(100).optional().describe("Machines that may join with it; 1 when absent."),
    expiresMs: z.number().int().min(10_000).max(604_800_000).optional().describe("900 000 when absent."),
  })
  .meta({ id: "InviteRequest" });

const revokeSchema = z.strictObject({ id: z.string().min(1).max(60) }).meta({ id: "InviteRevoke" });

const pendingSchema = z
  .object({
    did: z.string(),
    name: z.string().describe("What the machine calls itself; not proven."),
    address: z.string(),
    askedAtMs: z.number(),
    approved: z.boolean(),
  })
  .meta({ id: "PendingJoin" });

const approveSchema = z
  .strictObject({ who: z.string().min(1).max(120).describe("Did or name of a machine that asks to be let in.") })
  .meta({ id: "Approve" });

const leaveSchema = z
  .strictObject({ confirmed: z.boolean().optional().describe("Needed on the node that holds the root key.") })
  .meta({ id: "Leave" });

/** Routes that let machines in, and this one out. */
export function joinRoutes({ options }: RouteContext): FastifyPluginCallbackZod {
  const { node, onStopRequested } = options;
  return (app, _, done) => {
    app.post(
      "/api/invites",
      {
        schema: {
          summary: "Make an invitation; needs the root key of the network",
          body: inviteRequestSchema,
          response: { 200: inviteSchema, ...problems },
        },
      },
      ({ body: { uses, expiresMs } }) =>
        node.joining.invite({ ...(uses !== undefined && { uses }), ...(expiresMs !== undefined && { expiresMs }) }),
    );
    app.get(
      "/api/invites",
      {
        schema: {
          summary: "Invitations that hold, without their codes",
          response: { 200: z.object({ invites: z.array(inviteSchema).readonly() }), ...problems },
        },
      },
      () => ({ invites: node.joining.invites() }),
    );
    app.post(
      "/api/invites/revoke",
      {
        schema: {
          summary: "Call an invitation back",
          body: revokeSchema,
          response: { 200: inviteSchema, ...problems },
        },
      },
      ({ body }) => node.joining.revoke(body.id),
    );
    app.get(
      "/api/joins",
      {
        schema: {
          summary: "Machines that ask to be let in without a code",
          response: { 200: z.object({ joins: z.array(pendingSchema).readonly() }), ...problems },
        },
      },
      () => ({ joins: node.joining.pending() }),
    );
    app.post(
      "/api/joins/approve",
      { schema: { summary: "Let one of them in", body: approveSchema, response: { 200: pendingSchema, ...problems } } },
      ({ body }) => node.joining.approve(body.who),
    );
    app.post(
      "/api/leave",
      {
        schema: {
          summary: "Give up the membership, then stop the node",
          body: leaveSchema,
          response: { 202: z.object({ left: z.boolean() }), ...problems },
        },
      },
      async ({ body }, reply) => {
        await node.leave({ confirmed: body.confirmed ?? false });
        reply.raw.once("finish", onStopRequested);
        return reply.code(202).send({ left: true });
      },
    );
    done();
  };
}
