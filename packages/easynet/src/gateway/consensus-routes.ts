import type { FastifyPluginCallbackZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { parseDid } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import type { EasynetNode } from "../node/index.ts";
import { problemSchema } from "./api-schemas.ts";
import type { RouteContext } from "./state-routes.ts";

const problems = { "4xx": problemSchema, "5xx": problemSchema };

const memberSchema = z.object({
  id: z.number(),
  did: z.string(),
  name: z.string(),
  vote: z.enum(["voter", "learner"]),
  reachable: z.boolean(),
});

const groupSchema = z
  .object({
    group: z.string(),
    role: z.enum(["leader", "follower", "candidate", "learner", "client"]),
    generation: z.number().describe("Rises when an operator makes the group anew from one node."),
    term: z.number(),
    leader: z.object({ did: z.string(), name: z.string() }).optional(),
    members: z.array(memberSchema),
    commitIndex: z.number(),
    appliedIndex: z.number(),
    mayFail: z.number().describe("Voters that can fail without a pause in decisions."),
    refusal: z.string().optional().describe("Why nothing can be decided from here now."),
  })
  .meta({ id: "Group" });
const params = z.strictObject({ group: z.string().min(1).max(60) });
const done200 = { 200: z.object({ group: z.string() }), ...problems };

/** Who decides for the network, and what an operator may do about it. */
export function consensusRoutes({ options }: RouteContext): FastifyPluginCallbackZod {
  const { node } = options;
  const { consensus } = node;
  return (app, _, done) => {
    app.get(
      "/api/consensus",
      {
        schema: {
          summary: "Groups that decide, as this node sees them",
          response: { 200: z.object({ groups: z.array(groupSchema) }), ...problems },
        },
      },
      () => ({ groups: groupsOf(node) }),
    );
    app.post(
      "/api/consensus/:group/leader",
      {
        schema: {
          summary: "Hand the lead of a group to another voter, by did or name; only where it leads",
          params,
          body: z.strictObject({ to: z.string().min(1) }),
          response: done200,
        },
      },
      async ({ params: { group }, body: { to } }) => {
        const member = groupsOf(node)
          .find((report) => report.group === group)
          ?.members.find(({ did, name }) => did === to || name === to);
        if (!member) throw new EasynetError("MEMBERS_UNCHANGED", { group, reason: `${to} is no member of it` });
        await consensus.transfer(group, parseDid(member.did));
        return { group };
      },
    );
    app.post(
      "/api/consensus/:group/force",
      {
        schema: {
          summary: "After a majority was lost for good: make the group anew from what this node has",
          params,
          body: z.strictObject({ confirmed: z.literal(true) }),
          response: done200,
        },
      },
      async ({ params: { group } }) => {
        await consensus.force(group);
        return { group };
      },
    );
    done();
  };
}

function groupsOf(node: EasynetNode): z.infer<typeof groupSchema>[] {
  const names = new Map(node.peers().map(({ did, name }) => [did, name]));
  const nameOf = (did: string): string => (did === node.did ? node.name : (names.get(did) ?? did));
  return node.consensus.reports().map(({ leader, members, refusal, ...report }) => ({
    ...report,
    ...(leader !== undefined && { leader: { did: leader, name: nameOf(leader) } }),
    ...(refusal !== undefined && { refusal }),
    members: members.map((member) => ({ ...member, name: nameOf(member.did) })),
  }));
}
