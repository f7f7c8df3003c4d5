import type { PeerReport } from "../../node/index.ts";
import type { CliContext } from "../cli-context.ts";
import { printable } from "../columns.ts";
import { formatAge, formatMs, shortDid } from "../format.ts";
import { LocalClient } from "../local-client.ts";

export async function peers(context: CliContext): Promise<void> {
  const answer = await LocalClient.open(context.home).get("/api/peers");
  if (!isPeers(answer)) throw new TypeError("the node sent no peers");
  if (context.json) {
    context.printJson(answer);
  } else if (answer.peers.length === 0) {
    context.say(context.text("peers.none"));
  } else {
    const nowMs = Date.now();
    const rows = answer.peers.map((peer) => [
      printable(peer.name),
      shortDid(peer.did),
      peer.via === undefined ? printable(peer.address) : "–",
      peer.via === undefined ? context.text("peers.direct") : context.text("peers.via", { name: printable(peer.via) }),
      context.text(peer.direction === "inbound" ? "peers.inbound" : "peers.outbound"),
      peer.rttMs === undefined ? "–" : formatMs(peer.rttMs),
      formatAge(nowMs - peer.connectedAtMs, context.language),
    ]);
    context.printTable(
      ["column.name", "column.id", "column.address", "column.path", "column.connected", "column.rtt", "column.since"],
      rows,
    );
  }
}

function isPeers(value: unknown): value is { readonly peers: readonly PeerReport[] } {
  return typeof value === "object" && value !== null && "peers" in value && Array.isArray(value.peers);
}
