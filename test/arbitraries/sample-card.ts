import type { AgentCard } from "../../packages/easynet/src/model/index.ts";
import { CARD_KEYS } from "./agent-card.ts";

/** A card as a person would write one; its agent is the first of {@link CARD_KEYS}, its node the second. */
export function sampleCard(): AgentCard {
  const [agent, node] = CARD_KEYS;
  if (!agent || !node) throw new RangeError("CARD_KEYS is empty");
  return {
    id: agent.did,
    node: node.did,
    name: "counter@amber",
    description: "Counts words.",
    version: "0.1.0",
    agentType: "function",
    metadata: { team: "text" },
    updatedAtMs: 1_700_000_000_000,
    capabilities: [
      {
        name: "text/count",
        description: "Counts the words of a text.",
        version: "1.0.0",
        capabilityType: "natural_language",
        typeTags: ["text/markdown"],
        tags: ["text", "zh"],
        examples: ["Count the words of README.md"],
        summary: { en: "Counts words", zh: "统计词数" },
        inputFormats: ["text/plain"],
        outputFormats: ["application/json"],
        inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
        outputSchema: { type: "integer" },
        parameters: ["text"],
        streaming: true,
        sideEffects: "none",
        idempotent: true,
        durability: "volatile",
        needs: { cpuCores: 1, memoryMb: 64, gpuRequired: false },
        performance: {
          throughputPerSecond: 500,
          latencyMs: 2,
          accuracyRatio: 1,
          reliabilityRatio: 0.999,
          scalability: "linear",
        },
        cost: { baseCost: 1, scalingFactor: 1, unit: "per_request", currency: "credits" },
        quality: { availabilityRatio: 0.999, errorRatio: 0.001, responseTimeSeconds: 0.01 },
        collaborationPatterns: ["pipeline"],
        dependencies: [],
        languages: ["*"],
      },
    ],
  };
}
