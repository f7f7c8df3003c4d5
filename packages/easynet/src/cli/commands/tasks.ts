import type { TasksBody } from "../../gateway/index.ts";
import { EasynetError } from "../../kernel/index.ts";
import type { CliContext } from "../cli-context.ts";
import { printable } from "../columns.ts";
import { formatAge } from "../format.ts";
import { LocalClient } from "../local-client.ts";

/** Youngest first. */
export async function tasks(context: CliContext): Promise<void> {
  const answer = await LocalClient.open(context.home).get("/api/tasks");
  if (!isTasks(answer)) throw new EasynetError("INTERNAL", { reason: "the node sent no tasks" });
  if (context.json) {
    context.printJson(answer);
    return;
  }
  const asked = answer.asked.map(({ nodeName, createdAtMs, ...task }) => ({
    ...task,
    atMs: createdAtMs,
    other: context.text("tasks.to", { name: printable(nodeName) }),
  }));
  const served = answer.served.map(({ callerName, acceptedAtMs, ...task }) => ({
    ...task,
    atMs: acceptedAtMs,
    other: context.text("tasks.from", { name: printable(callerName) }),
  }));
  if (asked.length + served.length === 0) {
    context.say(context.text("tasks.none"));
    return;
  }
  const nowMs = Date.now();
  const rows = [...asked, ...served]
    .sort((one, other) => other.atMs - one.atMs)
    .map(({ id, capability, state, other, atMs }) => [
      printable(id),
      printable(capability),
      context.text(`taskState.${state}`),
      other,
      formatAge(nowMs - atMs, context.language),
    ]);
  context.printTable(["column.id", "column.can", "column.state", "column.with", "column.since"], rows);
}

function isTasks(value: unknown): value is TasksBody {
  return typeof value === "object" && value !== null && "asked" in value && "served" in value;
}
