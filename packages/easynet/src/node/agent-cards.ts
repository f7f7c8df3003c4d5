import type { Agent } from "../agents/index.ts";
import type { Did, KeyPair } from "../identity/index.ts";
import type { AgentCard, SignedCard } from "../model/index.ts";
import { signCard } from "../wire/index.ts";

/** The card that an agent of this node publishes, signed with the agent's own key. */
export function createSignedCard(
  agent: Agent,
  key: KeyPair,
  node: { readonly did: Did; readonly nowMs: number },
): SignedCard {
  const card: AgentCard = {
    id: key.did,
    node: node.did,
    name: agent.name,
    description: agent.description,
    version: agent.version ?? "1.0.0",
    agentType: agent.agentType,
    capabilities: [...agent.capabilities()],
    metadata: { ...agent.metadata },
    updatedAtMs: node.nowMs,
  };
  return signCard(card, key);
}
