import { generateKeyPair, type KeyPair } from "../../packages/easynet/src/identity/index.ts";
import {
  type AgentCard,
  capabilityWith,
  type NodeRecord,
  type SignedCard,
} from "../../packages/easynet/src/model/index.ts";
import { signCard } from "../../packages/easynet/src/wire/index.ts";

const TAGS = ["fast", "cheap", "beta", "gpu", "batch"];
const LANGUAGES = ["zh", "en", "fr", "de"];

/** Agents of one node, with their keys so that one card can be changed. */
export interface Agents {
  readonly keys: readonly KeyPair[];
  readonly cards: SignedCard[];
}

export function makeAgents(node: string, count: number): Agents {
  const keys = Array.from({ length: count }, () => generateKeyPair());
  return { keys, cards: keys.map((key, index) => cardOf(node, key, { index, revision: 1 })) };
}

export function cardOf(
  node: string,
  key: KeyPair,
  which: { readonly index: number; readonly revision: number },
): SignedCard {
  const { index, revision } = which;
  const capability = capabilityWith({
    name: `capability-${index}`,
    description: "an agent of the bench",
    tags: [TAGS[index % TAGS.length] ?? "fast"],
    languages: [LANGUAGES[index % LANGUAGES.length] ?? "en"],
    cost: { baseCost: (index % 10) / 10, scalingFactor: 1, unit: "per_request", currency: "credits" },
  });
  const card: AgentCard = {
    id: key.did,
    node,
    name: `agent-${index}`,
    description: "an agent of the bench",
    version: `1.0.${revision}`,
    agentType: index % 2 === 0 ? "function" : "model",
    capabilities: [capability],
    metadata: {},
    updatedAtMs: 1_700_000_000_000 + revision,
  };
  return signCard(card, key);
}

export function recordOf(node: string, { cards }: Agents, addresses: readonly string[]): NodeRecord {
  const offers = { cpuCores: 8, memoryMb: 16_384 };
  return { owner: node, name: node.slice(-6), version: "0", addresses: [...addresses], offers, cards: [...cards] };
}
