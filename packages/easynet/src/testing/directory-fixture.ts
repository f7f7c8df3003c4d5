import { generateKeyPair, type KeyPair } from "../identity/index.ts";
import { type AgentCard, type Capability, capabilityWith, type NodeRecord } from "../model/index.ts";
import { signCard } from "../wire/index.ts";

/** A capability with every required field. */
export function someCapability(name: string, extra: Partial<Capability> = {}): Capability {
  return capabilityWith({ name, description: `does ${name}`, ...extra });
}

export interface AgentDescription {
  readonly name: string;
  readonly capabilities: readonly Capability[];
  readonly agentType?: string;
  /** @default a new key */
  readonly keyPair?: KeyPair;
}

/** A card of an agent of `node`. */
export function someCard(
  node: string,
  { name, capabilities, agentType = "function", keyPair = generateKeyPair() }: AgentDescription,
): { readonly card: AgentCard; readonly keyPair: KeyPair } {
  const card: AgentCard = {
    id: keyPair.did,
    node,
    name,
    description: name,
    version: "1.0.0",
    agentType,
    capabilities: [...capabilities],
    metadata: {},
    updatedAtMs: 1_700_000_000_000,
  };
  return { card, keyPair };
}

/** The record of a node with signed cards of these agents. */
export function someRecord(node: string, agents: readonly AgentDescription[] = [], name = "node"): NodeRecord {
  return {
    owner: node,
    name,
    version: "0.1.0",
    addresses: [`fake#${node}`],
    offers: {},
    cards: agents.map((agent) => {
      const { card, keyPair } = someCard(node, agent);
      return signCard(card, keyPair);
    }),
  };
}
