import { EasynetError } from "../../kernel/index.ts";
import type { NodeEvent } from "../../node/index.ts";
import type { CliContext } from "../cli-context.ts";
import { printable } from "../columns.ts";
import { formatMs, shortDid } from "../format.ts";
import { LocalClient } from "../local-client.ts";

/** Prints what happens until the node stops or Ctrl-C. */
export async function watch(context: CliContext): Promise<void> {
  const client = LocalClient.open(context.home);
  if (!context.json) context.say(context.text("watch.started", { name: client.run.name }));
  await context.interruptible(async (signal) => {
    try {
      for await (const { type, data } of client.stream({ method: "GET", path: "/api/events", signal })) {
        if (context.json) context.printJson(data);
        else if (type === "dropped") context.say(context.text("watch.dropped", { count: countOf(data) }));
        else if (isNodeEvent(data)) context.print(`${timeOfDay()}  ${describe(context, data)}`);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (signal.aborted) throw new EasynetError("CANCELLED", { subject: "easynet watch" });
    if (!context.json) context.say(context.text("watch.ended"));
  });
}

function describe(context: CliContext, event: NodeEvent): string {
  if (event.type === "task-ended") {
    const { outcome, durationMs, code = "" } = event;
    const values = { capability: printable(event.capability), time: formatMs(durationMs), code };
    return context.text(ENDINGS[outcome], values);
  }
  if (event.type === "task-started") {
    return context.text("watch.taskStarted", { capability: printable(event.capability), from: shortDid(event.from) });
  }
  if (event.type === "join-asked") {
    return context.text("watch.joinAsked", { name: printable(event.name), id: shortDid(event.did) });
  }
  if (event.type === "consensus") return describeConsensus(context, event.change);
  if (event.type === "duplicate-identity") {
    return context.text("watch.duplicate", { reason: printable(event.reason) });
  }
  if (event.type === "message-sent" || event.type === "message-received" || event.type === "message-refused") {
    const { type, reason = "" } = event;
    const values = { kind: printable(event.kind), name: printable(event.name), reason: printable(reason) };
    return context.text(MESSAGES[type], values);
  }
  const values = { name: printable(event.name), status: "", agents: 0 };
  if (event.type !== "node-changed") {
    return context.text(event.type === "peer-joined" ? "watch.peerJoined" : "watch.peerLeft", values);
  }
  return context.text("watch.nodeChanged", { ...values, status: event.status, agents: event.agents });
}

type ConsensusChange = Extract<NodeEvent, { readonly type: "consensus" }>["change"];

function describeConsensus(context: CliContext, change: ConsensusChange): string {
  const { group } = change;
  if (change.type === "forced") return context.text("watch.forced", { group });
  if (change.type === "leader") {
    if (change.leader === undefined) return context.text("watch.noLeader", { group });
    return context.text("watch.leader", { group, leader: shortDid(change.leader) });
  }
  const names = (dids: readonly string[]): string => dids.map(shortDid).join(", ");
  const values = { group, here: names(change.here), there: names(change.there) };
  if (change.there.length === 0) return context.text("watch.healed", values);
  return context.text(change.hasMajority ? "watch.partition" : "watch.minority", values);
}

const ENDINGS = {
  completed: "watch.taskCompleted",
  failed: "watch.taskFailed",
  canceled: "watch.taskCanceled",
} as const;

const MESSAGES = {
  "message-sent": "watch.messageSent",
  "message-received": "watch.messageReceived",
  "message-refused": "watch.messageRefused",
} as const;

/** Local time as `14:03:07`. */
function timeOfDay(): string {
  return new Date().toTimeString().slice(0, 8);
}

function countOf(data: unknown): number {
  return typeof data === "object" && data !== null && "count" in data ? Number(data.count) : 0;
}

function isNodeEvent(value: unknown): value is NodeEvent {
  return typeof value === "object" && value !== null && "type" in value;
}
