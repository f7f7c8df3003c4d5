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
  readonly agentType?: string;
  readonly tag?: string;
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
