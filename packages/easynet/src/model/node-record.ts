import { z } from "zod";
import { didSchema, signedCardSchema } from "./agent-card.ts";
import { resourcesSchema } from "./capability.ts";

/** What a node publishes about itself and its agents; only the node itself writes it. */
export const nodeRecordSchema = z.strictObject({
  /** The node's did:key: the owner and the key of the entry. */
  owner: didSchema,
  name: z.string().min(1).max(120),
  version: z.string().max(40),
  addresses: z.array(z.string().max(200)).max(32),
  offers: resourcesSchema,
  cards: z.array(signedCardSchema).max(1000),
  /** Topics that agents of this node are in; absent = none. */
  topics: z.array(z.string().min(1).max(120)).max(100).exactOptional(),
  /** It keeps sealed messages for members that are away: bytes of one sender; absent = it does not. */
  mailBytes: z.number().int().min(1).exactOptional(),
});
export type NodeRecord = z.infer<typeof nodeRecordSchema>;

/** How busy a node is; travels often and apart from its record. */
export interface NodeLoad {
  /** Tasks running now. */
  readonly running: number;
  /** Tasks accepted and waiting. */
  readonly queued: number;
  /** Tasks it runs at once. */
  readonly slots: number;
  /** Share of all cores in use, 0..1. */
  readonly cpuRatio: number;
  /** Share of memory in use, 0..1. */
  readonly memoryRatio: number;
}

export type NodeStatus = "alive" | "suspect" | "dead" | "left" | "maintenance";
