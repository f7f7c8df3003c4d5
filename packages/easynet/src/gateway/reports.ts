import type { EasynetNode } from "../node/index.ts";
import type { Offer } from "../state/index.ts";
import type { AgentReport, FoundOffer } from "./api-schemas.ts";

/** An offer as HTTP and SDK show it. */
export function foundOf({ card, node, capability }: Offer): FoundOffer {
  return {
    agent: card.name,
    agentId: card.id,
    agentType: card.agentType,
    node: node.did,
    nodeName: node.record.name,
    status: node.status,
    capability,
  };
}

/** How `node` reaches another one now. */
export function pathTo(node: EasynetNode, did: string): AgentReport["node"]["path"] {
  if (did === node.did) return { kind: "local" };
  const peer = node.peers().find((linked) => linked.did === did);
  if (!peer) return { kind: "none" };
  return { kind: "link", address: peer.address, ...(peer.rttMs !== undefined && { rttMs: peer.rttMs }) };
}
