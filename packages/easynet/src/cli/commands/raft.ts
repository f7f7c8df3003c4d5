import { z } from "zod";
import { EasynetError } from "../../kernel/index.ts";
import type { CliContext } from "../cli-context.ts";
import { LocalClient } from "../local-client.ts";

const groupSchema = z.object({
  group: z.string(),
  role: z.string(),
  leader: z.object({ name: z.string() }).optional(),
  members: z.array(z.object({ did: z.string(), name: z.string(), vote: z.string(), reachable: z.boolean() })),
  commitIndex: z.number(),
  mayFail: z.number(),
  refusal: z.string().optional(),
});
const answerSchema = z.object({ groups: z.array(groupSchema) });

export async function raftStatus(context: CliContext): Promise<void> {
  const groups = await fetchGroups(context);
  if (!groups) return;
  for (const { group, role, leader, members, commitIndex, mayFail, refusal } of groups) {
    const learners = members.filter(({ vote }) => vote === "learner").length;
    const voters = members.length - learners;
    const who = leader?.name ?? context.text("raft.nobody");
    context.print(context.text("raft.line", { group, role, leader: who, voters, learners, commit: commitIndex }));
    if (refusal !== undefined) context.print(context.text("raft.refused", { reason: refusal }));
    if (voters === 0) continue;
    if (mayFail > 0) context.print(context.text("raft.survives", { count: mayFail }));
    else context.print(context.text("raft.survives.0", { copies: learners }));
    if (voters === 1 && learners === 1) context.print(context.text("raft.survives.two"));
  }
}

export async function raftMembers(context: CliContext): Promise<void> {
  const groups = await fetchGroups(context);
  if (!groups) return;
  const rows = groups.flatMap(({ group, members }) =>
    members.map(({ name, did, vote, reachable }) => [
      group,
      name,
      context.text(vote === "voter" ? "raft.voter" : "raft.learner"),
      context.text(reachable ? "raft.here" : "raft.away"),
      did,
    ]),
  );
  context.printTable(["column.group", "column.name", "column.vote", "column.reach", "column.id"], rows);
}

export async function raftTransfer(
  context: CliContext,
  to: string,
  { group }: { readonly group: string },
): Promise<void> {
  const path = `/api/consensus/${encodeURIComponent(group)}/leader`;
  const answer = await LocalClient.open(context.home).post(path, { to });
  if (context.json) context.printJson(answer);
  else context.say(context.text("raft.transferred", { to, group }));
}

export async function raftForce(
  context: CliContext,
  { group, yes }: { readonly group: string; readonly yes?: boolean },
): Promise<void> {
  if (yes !== true) {
    throw new EasynetError("INVALID_ARGUMENT", {
      subject: "The command line",
      reason: context.text("raft.unconfirmed"),
    });
  }
  const path = `/api/consensus/${encodeURIComponent(group)}/force`;
  const answer = await LocalClient.open(context.home).post(path, { confirmed: true });
  if (context.json) context.printJson(answer);
  else context.say(context.text("raft.forced", { group }));
}

/** Undefined when everything was said already. */
async function fetchGroups(context: CliContext): Promise<z.infer<typeof answerSchema>["groups"] | undefined> {
  const answer = await LocalClient.open(context.home).get("/api/consensus");
  if (context.json) {
    context.printJson(answer);
    return undefined;
  }
  const checked = answerSchema.safeParse(answer);
  if (!checked.success) throw new EasynetError("INTERNAL", { reason: "the node sent no groups" });
  const known = checked.data.groups.filter(({ role, members }) => role !== "client" || members.length > 0);
  if (known.length > 0) return known;
  context.say(context.text("raft.none"));
  return undefined;
}
