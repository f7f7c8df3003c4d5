import type { Did } from "../identity/index.ts";
import type { AgentCard, Capability, NodeLoad, NodeRecord, NodeStatus } from "../model/index.ts";

/** What this node knows of another one (or of itself). */
export interface DirectoryNode {
  readonly did: Did;
  readonly record: NodeRecord;
  readonly status: NodeStatus;
  readonly load: NodeLoad | undefined;
  /** Wall clock of the last sign of life, Unix epoch ms. */
  readonly lastSeenAtMs: number;
}

/** One capability of one agent on one node. */
export interface Offer {
  readonly node: DirectoryNode;
  readonly card: AgentCard;
  readonly capability: Capability;
}

/** Who of the network lives, as the failure detector of the mesh says it. */
export interface NodeStatusSource {
  /** The last process of a member that was heard of, and how it is; undefined for who was never heard of. */
  statusOf(did: Did): { readonly epoch: number; readonly status: NodeStatus } | undefined;
  onChange(listener: (did: Did) => void): Disposable;
}

export interface FindQuery {
  /** Exact capability name. */
  readonly capability?: string;
  /** An agent or a node, by name or did. */
  readonly agent?: string;
  /** A node, by name or did. */
  readonly node?: string;
  readonly agentType?: string;
  readonly capabilityType?: string;
  /** One of those that the capability takes part in: pipeline, ensemble, … */
  readonly pattern?: string;
  /** All of them. */
  readonly tags?: readonly string[];
  /** BCP 47; all of them. `zh` also finds `zh-CN`, and what is for any language. */
  readonly languages?: readonly string[];
  /** Whether there is a GPU where it runs. */
  readonly gpu?: boolean;
  /** What is not stated is in no range: a price that nobody named is not a low one. */
  readonly ranges?: Readonly<Partial<Record<RangeField, QueryRange>>>;
  /** Of the node. @default alive */
  readonly status?: NodeStatus | "any";
}

/** Numbers that a query may bound: price of one unit, speed and quality as stated, and what the machine has. */
export type RangeField =
  | "price"
  | "latencyMs"
  | "throughputPerSecond"
  | "accuracyRatio"
  | "reliabilityRatio"
  | "availabilityRatio"
  | "cpuCores"
  | "memoryMb"
  | "gpuMemoryMb";

export interface QueryRange {
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly above?: number;
  readonly below?: number;
}

export interface DirectoryEvents {
  "node-changed": [node: DirectoryNode];
  "node-gone": [did: Did, status: NodeStatus];
}

/** Who is there and what they can do: owner-signed entries, spread to every member. */
export interface Directory {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Publishes this node's record under the next sequence. @throws {EasynetError} CARD_INVALID */
  publish(record: NodeRecord): Promise<void>;
  /** Published with the next heartbeat. */
  setLoad(load: NodeLoad): void;
  /** Tells everybody that this node leaves. */
  leave(): Promise<void>;
  nodes(): readonly DirectoryNode[];
  /** Live offers that fit, this node's own included. */
  find(query: FindQuery): readonly Offer[];
  on<Name extends keyof DirectoryEvents>(name: Name, listener: (...values: DirectoryEvents[Name]) => void): Disposable;
}
