/** What a node does for each workload of Maelstrom (doc/workloads.md), with the product's own services. */
import type { Clock, Logger, Metrics, Random } from "../../packages/easynet/src/kernel/index.ts";
// Not through mesh/index.ts, which loads every transport: a node starts in a third of the time.
import { createGossip } from "../../packages/easynet/src/mesh/gossip.ts";
import type { Mesh } from "../../packages/easynet/src/mesh/index.ts";
import { decodeValue, encodeValue } from "../../packages/easynet/src/wire/index.ts";
import { type MaelstromBody, RequestError } from "./protocol.ts";

export type Workload = (body: MaelstromBody) => Promise<MaelstromBody>;

export interface Services {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Whether this node begins a group that others join. */
  readonly isFirst: boolean;
  readonly nodeCount: number;
}

const WORKLOADS = {
  echo,
  broadcast,
} as const satisfies Record<string, (services: Services) => Workload | Promise<Workload>>;

export type WorkloadName = keyof typeof WORKLOADS;

export function isWorkloadName(name: string): name is WorkloadName {
  return Object.hasOwn(WORKLOADS, name);
}

export async function createWorkload(name: WorkloadName, services: Services): Promise<Workload> {
  return WORKLOADS[name](services);
}

function echo(): Workload {
  return async (body) => ({ type: "echo_ok", echo: body["echo"] });
}

/** Broadcast of the mesh. It spreads to whoever is linked; what must arrive through a partition is shared state. */
function broadcast(services: Services): Workload {
  const gossip = createGossip(services);
  const messages: unknown[] = [];
  gossip.handle("broadcast", (_from, bytes) => void messages.push(decodeValue(bytes)));
  return async ({ type, message }) => {
    if (type === "topology") return { type: "topology_ok" };
    if (type === "read") return { type: "read_ok", messages };
    if (type !== "broadcast") throw unsupported(type);
    messages.push(message);
    gossip.publish("broadcast", encodeValue(message));
    return { type: "broadcast_ok" };
  };
}

function unsupported(type: string): RequestError {
  return new RequestError("notSupported", `there is no request ${type}`);
}
