import { EasynetError, fromWireError } from "../../kernel/index.ts";
import type { TaskReport } from "../../messaging/index.ts";
import type { CliContext } from "../cli-context.ts";
import { printable } from "../columns.ts";
import { LocalClient } from "../local-client.ts";
import { printValue } from "./call.ts";

/** Prints the outcome as `easynet call` would have. @throws {EasynetError} TASK_FORGOTTEN, and what the task failed with */
export async function task(context: CliContext, id: string): Promise<void> {
  const report = await LocalClient.open(context.home).get(`/api/tasks/${encodeURIComponent(id)}`);
  if (!isReport(report)) throw new EasynetError("INTERNAL", { reason: "the node sent no task" });
  if (context.json) {
    context.printJson(report);
    return;
  }
  const node = printable(report.nodeName);
  if (!report.reached) context.say(context.text("task.away", { node }));
  else if (report.state === "working" || report.state === "submitted")
    context.say(context.text("task.notYet", { node }));
  for (const item of report.items ?? []) printValue(context, item);
  if (report.error) throw fromWireError(report.error);
  if (report.state !== "completed" || !report.reached) context.print(context.text(`taskState.${report.state}`));
  else if (report.items === undefined || (report.value !== undefined && report.value !== null)) {
    printValue(context, report.value ?? report.text ?? null);
  }
}

function isReport(value: unknown): value is TaskReport {
  return typeof value === "object" && value !== null && "state" in value && "reached" in value;
}
