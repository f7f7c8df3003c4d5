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
    memberOnly: z.boolean().describe("Who joins with it may not let others in."),
  })
  .meta({ id: "Invite" });

const inviteRequestSchema = z
  .strictObject({
    uses: z.number().int().min(1).max(100).optional().describe("Machines that may join with it; 1 when absent."),
    expiresMs: z.number().int().min(10_000).max(604_800_000).optional().describe("900 000 when absent."),
    memberOnly: z.boolean().optional().describe("Who joins with it may not let others in; false when absent."),
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
    memberOnly: z.boolean(),
    via: z.string().optional().describe("Did of the member that it asked; absent: this node."),
  })
  .meta({ id: "PendingJoin" });

const approveSchema = z
  .strictObject({
    who: z.string().min(1).max(120).describe("Did or name of a machine that asks to be let in."),
    memberOnly: z.boolean().optional().describe("It may not let others in; false when absent."),
  })
  .meta({ id: "Approve" });

const leaveSchema = z
  .strictObject({ confirmed: z.boolean().optional().describe("Needed on the node that holds the root key.") })
  .meta({ id: "Leave" });

/** Codes that let machines in. */
export function inviteRoutes({ options: { node } }: RouteContext): FastifyPluginCallbackZod {
  return (app, _, done) => {
    app.post(
      "/api/invites",
      {
        schema: {
          summary: "Make an invitation; needs the right to let machines in",
          body: inviteRequestSchema,
          response: { 200: inviteSchema, ...problems },
        },
      },
      ({ body: { uses, expiresMs, memberOnly } }) =>
        node.joining.invite({
          ...(uses !== undefined && { uses }),
          ...(expiresMs !== undefined && { expiresMs }),
          ...(memberOnly !== undefined && { memberOnly }),
        }),
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
    done();
  };
}

/** Machines that ask to be let in, and this one's way out. */
export function joinRoutes({ options }: RouteContext): FastifyPluginCallbackZod {
  const { node, onStopRequested } = options;
  return (app, _, done) => {
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
      ({ body: { who, memberOnly = false } }) => node.joining.approve(who, { memberOnly }),
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
