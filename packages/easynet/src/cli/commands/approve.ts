import type { PendingJoinReport } from "../../node/index.ts";
import type { CliContext } from "../cli-context.ts";
import { printable } from "../columns.ts";
import { formatAge, shortDid } from "../format.ts";
import { LocalClient } from "../local-client.ts";

/** Lists the machines that ask to be let in; with a name or did, lets that one in. */
export async function approve(
  context: CliContext,
  who: string | undefined,
  options: { readonly memberOnly?: boolean } = {},
): Promise<void> {
  const client = LocalClient.open(context.home);
  if (who !== undefined) {
    const approved = await client.post("/api/joins/approve", { who, memberOnly: options.memberOnly === true });
    if (!isPending(approved)) throw new TypeError("the node sent no machine");
    const { name, did } = approved;
    if (context.json) context.printJson(approved);
    else context.say(context.text("approve.done", { name: printable(name), did }));
    return;
  }
  const answer = await client.get("/api/joins");
  if (!isList(answer)) throw new TypeError("the node sent no machines");
  if (context.json) {
    context.printJson(answer);
  } else if (answer.joins.length === 0) {
    context.say(context.text("approve.none"));
  } else {
    const nowMs = Date.now();
    // The whole did: it is what a person compares with the other machine.
    const rows = answer.joins.map(({ name, did, address, askedAtMs, approved, via }) => [
      printable(name),
      printable(did),
      via === undefined
        ? printable(address)
        : context.text("approve.via", { address: printable(address), via: shortDid(via) }),
      formatAge(nowMs - askedAtMs, context.language),
      context.text(approved ? "approve.approved" : "approve.waits"),
    ]);
    context.printTable(["column.name", "column.id", "column.address", "column.since", "column.state"], rows);
  }
}

function isPending(value: unknown): value is PendingJoinReport {
  return typeof value === "object" && value !== null && "did" in value && "approved" in value;
}

function isList(value: unknown): value is { readonly joins: readonly PendingJoinReport[] } {
  return typeof value === "object" && value !== null && "joins" in value && Array.isArray(value.joins);
}
