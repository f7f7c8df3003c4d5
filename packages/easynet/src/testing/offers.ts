import type { Did } from "../identity/index.ts";
import { type Capability, capabilityWith } from "../model/index.ts";
import type { Offer } from "../state/index.ts";

export interface OfferSketch {
  readonly node: string;
  readonly capability: string;
  readonly idempotent?: boolean;
  readonly durability?: Capability["durability"];
  readonly agent?: string;
}

/** An offer as a directory lists it, for tests of those who choose among offers; its names are not real keys. */
export function offerOf(sketch: OfferSketch): Offer {
  const { idempotent = true, durability = "volatile" } = sketch;
  const capability = capabilityWith({ name: sketch.capability, idempotent, durability });
  const card = {
    id: `${sketch.node}#${sketch.agent ?? "agent"}`,
    node: sketch.node,
    name: sketch.agent ?? "agent",
    description: "",
    version: "1.0.0",
    agentType: "function",
    capabilities: [capability],
    metadata: {},
    updatedAtMs: 0,
  };
  const record = { owner: sketch.node, name: sketch.node, version: "0", addresses: [], offers: {}, cards: [] };
  const did = asDid(sketch.node);
  return { node: { did, record, status: "alive", load: undefined, lastSeenAtMs: 0 }, card, capability };
}

function asDid(text: string): Did;
function asDid(text: string): string {
  return text;
}
