import type { CliContext } from "../cli-context.ts";
import { LocalClient } from "../local-client.ts";

/** Takes the node of this machine out of the choice of others, or puts it back. */
export async function maintenance(context: CliContext, on: boolean): Promise<void> {
  const client = LocalClient.open(context.home);
  await client.post("/api/maintenance", { on });
  if (context.json) context.printJson({ on });
  else context.say(context.text(on ? "maintenance.on" : "maintenance.off", { name: client.run.name }));
}
