import type { FindQuery, Offer, QueryRange, RangeField } from "./types.ts";

/** Whether an offer is what the query asks for, apart from the status of its node. */
export function fits(offer: Offer, query: FindQuery): boolean {
  const { card, node, capability } = offer;
  return (
    (query.capability === undefined || capability.name === query.capability) &&
    (query.agent === undefined || isNamed(offer, query.agent)) &&
    (query.node === undefined || node.did === query.node || node.record.name === query.node) &&
    (query.agentType === undefined || card.agentType === query.agentType) &&
    (query.capabilityType === undefined || capability.capabilityType === query.capabilityType) &&
    (query.pattern === undefined || (capability.collaborationPatterns ?? []).some((name) => name === query.pattern)) &&
    (query.tags ?? []).every((tag) => capability.tags.includes(tag)) &&
    (query.languages ?? []).every((language) => speaks(capability.languages ?? [], language)) &&
    (query.gpu === undefined || hasGpu(offer) === query.gpu) &&
    (query.ranges === undefined || inRanges(offer, query.ranges))
  );
}

function isNamed({ card, node }: Offer, name: string): boolean {
  return card.name === name || card.id === name || node.did === name || node.record.name === name;
}

/** BCP 47 basic filtering (RFC 4647, section 3.3.1), and `*` for any. */
function speaks(languages: readonly string[], wanted: string): boolean {
  const range = wanted.toLowerCase();
  return languages.some((language) => {
    const tag = language.toLowerCase();
    return tag === "*" || tag === range || tag.startsWith(`${range}-`);
  });
}

function hasGpu(offer: Offer): boolean {
  const required = offer.card.offers?.gpuRequired ?? offer.node.record.offers.gpuRequired;
  return required === true || (valueOf(offer, "gpuMemoryMb") ?? 0) > 0;
}

function inRanges(offer: Offer, ranges: NonNullable<FindQuery["ranges"]>): boolean {
  return RANGE_FIELDS.every((field) => {
    const range = ranges[field];
    return range === undefined || isIn(valueOf(offer, field), range);
  });
}

const RANGE_FIELDS: readonly RangeField[] = [
  "price",
  "latencyMs",
  "throughputPerSecond",
  "accuracyRatio",
  "reliabilityRatio",
  "availabilityRatio",
  "cpuCores",
  "memoryMb",
  "gpuMemoryMb",
];

/** What the offer states; of resources what the agent says, else what its machine has. */
function valueOf({ capability, card, node }: Offer, field: RangeField): number | undefined {
  const { cost, performance, quality } = capability;
  switch (field) {
    case "price":
      return cost && cost.baseCost * cost.scalingFactor;
    case "latencyMs":
    case "throughputPerSecond":
    case "reliabilityRatio":
      return performance?.[field];
    case "accuracyRatio":
      return quality?.accuracyRatio ?? performance?.accuracyRatio;
    case "availabilityRatio":
      return quality?.availabilityRatio;
    case "cpuCores":
    case "memoryMb":
    case "gpuMemoryMb":
      return card.offers?.[field] ?? node.record.offers[field];
  }
  return undefined;
}

function isIn(value: number | undefined, { atLeast, atMost, above, below }: QueryRange): boolean {
  if (value === undefined) return false;
  return (
    (atLeast === undefined || value >= atLeast) &&
    (atMost === undefined || value <= atMost) &&
    (above === undefined || value > above) &&
    (below === undefined || value < below)
  );
}
