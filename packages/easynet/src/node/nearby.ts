import { type Clock, EasynetError } from "../kernel/index.ts";
import { type NearbyNode, probeMulticast } from "../mesh/index.ts";
import type { LoadedConfig } from "./config.ts";

/** Answers come within a fifth of a second; some questions are lost. */
const LOOK_MS = 1500;

/**
 * An address of a node nearby, where all that answer by multicast are of one network. Nothing about it is proven.
 * @throws {EasynetError} NOBODY_NEARBY; SEVERAL_NEARBY when a person has to choose
 */
export async function findNearby({ value }: LoadedConfig, clock: Clock): Promise<string> {
  const interfaces = value.interfaces.length > 0 ? value.interfaces : undefined;
  const { chosen } = await probeMulticast({ interfaces, clock, timeoutMs: LOOK_MS });
  return chooseNearby(chosen.flatMap(({ nodes }) => nodes));
}

/** @throws {EasynetError} as `findNearby` */
export function chooseNearby(nodes: readonly NearbyNode[]): string {
  const networks = Map.groupBy(nodes, ({ networkTag }) => networkTag);
  const [address] = nodes[0]?.addresses ?? [];
  if (address === undefined) throw new EasynetError("NOBODY_NEARBY", {});
  if (networks.size === 1) return address;
  const choices = [...networks.values()].flatMap(([node]) => (node ? [`${node.name} ${node.addresses[0]}`] : []));
  throw new EasynetError("SEVERAL_NEARBY", { count: networks.size, choices: choices.join("; ") });
}
