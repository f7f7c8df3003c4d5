import type { Resources } from "../model/index.ts";
import type { FindQuery, Offer, QueryRange, RangeField } from "./types.ts";

/** Whether an offer is what the query asks for, apart from the status of its node. */
export function fits(offer: Offer, query: FindQuery): boolean {
  const { card, node, capability } = offer;
  return (
    (query.capability === undefined || capability.name === query.capability) &&
    (query.agent === undefined || [card.name, card.id, node.did, node.record.name].includes(query.agent)) &&
    (query.node === undefined || node.did === query.node || node.record.name === query.node) &&
    (query.agentType === undefined || card.agentType === query.agentType) &&
    (query.capabilityType === undefined || capability.capabilityType === query.capabilityType) &&
    (query.tags ?? []).every((tag) => capability.tags.includes(tag)) &&
    (query.languages ?? []).every((language) => speaks(capability.languages ?? [], language)) &&
    (query.gpu === undefined || hasGpu(resourcesOf(offer)) === query.gpu) &&
    (query.ranges === undefined || inRanges(offer, query.ranges))
  );
}

/** BCP 47 basic filtering (RFC 4647, section 3.3.1), and `*` for any. */
function speaks(languages: readonly string[], wanted: string): boolean {
  const range = wanted.toLowerCase();
  return languages.some((language) => {
    const tag = language.toLowerCase();
    return tag === "*" || tag === range || tag.startsWith(`${range}-`);
  });
}

/** Of the agent, and what it does not say, of its machine. */
function resourcesOf({ card, node }: Offer): Resources {
  return { ...node.record.offers, ...card.offers };
}

function hasGpu({ gpuRequired, gpuMemoryMb }: Resources): boolean {
  return gpuRequired === true || (gpuMemoryMb ?? 0) > 0;
}

function inRanges(offer: Offer, ranges: NonNullable<FindQuery["ranges"]>): boolean {
  const { cost, performance, quality } = offer.capability;
  const resources = resourcesOf(offer);
  const values: Readonly<Record<RangeField, number | undefined>> = {
    price: cost && cost.baseCost * cost.scalingFactor,
    latencyMs: performance?.latencyMs,
    throughputPerSecond: performance?.throughputPerSecond,
    accuracyRatio: quality?.accuracyRatio ?? performance?.accuracyRatio,
    reliabilityRatio: performance?.reliabilityRatio,
    availabilityRatio: quality?.availabilityRatio,
    cpuCores: resources.cpuCores,
    memoryMb: resources.memoryMb,
    gpuMemoryMb: resources.gpuMemoryMb,
  };
  return FIELDS.every((field) => {
    const range = ranges[field];
    return range === undefined || isIn(values[field], range);
  });
}

const FIELDS: readonly RangeField[] = [
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

function isIn(value: number | undefined, { atLeast, atMost, above, below }: QueryRange): boolean {
  if (value === undefined) return false;
  return (
    (atLeast === undefined || value >= atLeast) &&
    (atMost === undefined || value <= atMost) &&
    (above === undefined || value > above) &&
    (below === undefined || value < below)
  );
}
