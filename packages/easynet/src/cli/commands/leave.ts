import type { CliContext } from "../cli-context.ts";
import { LocalClient } from "../local-client.ts";
import { untilGone } from "./down.ts";

/** Gives up the membership: through the node, which tells the others and stops, or in the folder when none runs. */
export async function leave(context: CliContext, options: { readonly yes?: boolean }): Promise<void> {
  const confirmed = options.yes === true;
  const { leaveNetwork, readRunFile } = await import("../../node/index.ts");
  // That of node/: it also looks whether the process lives; a killed one leaves its file behind.
  if (readRunFile(context.home)) {
    const client = LocalClient.open(context.home);
    await client.post("/api/leave", { confirmed });
    await untilGone(context, client);
    if (!context.json) context.say(context.text("leave.left"));
    return;
  }
  const left = leaveNetwork(context.home, { confirmed });
  if (context.json) context.printJson({ left: left !== undefined, ...left });
  else context.say(context.text(left ? "leave.left" : "leave.none"));
}
