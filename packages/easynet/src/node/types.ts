import type { Agent } from "../agents/index.ts";
import type { Did } from "../identity/index.ts";
import type { AgentCard, NodeLoad, Resources } from "../model/index.ts";
import type { CallRequest, RoutedEvent } from "../routing/index.ts";
import type { Offer } from "../state/index.ts";
import type { Finding } from "./doctor-facts.ts";

/** A snapshot for status, console and CLI. */
export interface NodeStatusReport {
  readonly version: string;
  readonly did: string;
  readonly name: string;
  readonly network: { readonly did: string; readonly name: string };
  readonly startedAtMs: number;
  readonly pid: number;
  readonly addresses: readonly string[];
  readonly load: NodeLoad;
  readonly resources: Resources;
  readonly counts: {
    readonly peers: number;
    readonly nodes: number;
    readonly agents: number;
    readonly tasksRunning: number;
  };
  readonly counters: Readonly<Record<string, number>>;
  /** Interfaces on which nearby machines are looked for, and those skipped with the reason. */
  readonly discovery: readonly { readonly interface: string; readonly address: string; readonly state: string }[];
}

export interface PeerReport {
  readonly did: string;
  readonly name: string;
  readonly address: string;
  readonly direction: "inbound" | "outbound";
  readonly connectedAtMs: number;
  readonly rttMs: number | undefined;
  /** The member that carries the link, by name; undefined = direct. */
  readonly via: string | undefined;
}

/** Things that happen on a node, for `watch`, the console and logs. */
export type NodeEvent =
  | {
      readonly type: "peer-joined" | "peer-left";
      readonly did: string;
      readonly name: string;
      readonly reason?: string;
    }
  | {
      readonly type: "node-changed";
      readonly did: string;
      readonly name: string;
      readonly status: string;
      readonly agents: number;
    }
  | { readonly type: "task-started"; readonly taskId: string; readonly capability: string; readonly from: string }
  | {
      readonly type: "task-ended";
      readonly taskId: string;
      readonly capability: string;
      readonly outcome: "completed" | "failed" | "canceled";
      readonly code?: string;
      readonly durationMs: number;
    };

/** An agent that this node offers; disposing takes it back. */
export interface AgentHandle extends AsyncDisposable {
  readonly did: Did;
  /** Publishes the agent's capabilities again after they changed. */
  refresh(): Promise<void>;
  /**
   * Sends a message of `kind` to an agent by name or did and resolves with what its handler returned.
   * @throws {EasynetError} NO_CAPABLE_AGENT, or whatever ended the delivery
   */
  sendMessage(to: string, kind: string, payload: unknown): Promise<unknown>;
  /** Sends to every agent in reach but itself; one unreachable receiver does not stop the others. */
  broadcast(kind: string, payload: unknown): Promise<BroadcastReport>;
  /** Agents in reach, without itself. */
  peers(): readonly AgentCard[];
}

export interface BroadcastReport {
  readonly delivered: readonly string[];
  readonly failed: readonly { readonly agent: string; readonly code: string }[];
}

/** A running node as gateway and SDK see it. */
export interface EasynetNode {
  readonly did: Did;
  readonly name: string;
  readonly home: string;
  status(): NodeStatusReport;
  peers(): readonly PeerReport[];
  /** Live offers, filtered by exact capability or agent name. */
  offers(filter?: { readonly capability?: string; readonly agent?: string }): readonly Offer[];
  cards(): readonly AgentCard[];
  call(request: CallRequest, options?: { readonly signal?: AbortSignal }): AsyncIterable<RoutedEvent>;
  /** Offers an agent to the network; disposing takes it back. Its key is kept under its name in the home folder. */
  addAgent(agent: Agent): Promise<AgentHandle>;
  connect(address: string): Promise<PeerReport>;
  /** What works and what does not, as far as the node can tell; dials members that are not linked. */
  examine(): Promise<readonly Finding[]>;
  /** A membership of this network for another key; only a node that holds the network's root key can. */
  delegateMembership(member: string): Promise<MembershipFile>;
  onEvent(listener: (event: NodeEvent) => void): Disposable;
  /** Finishes or hands back running work, tells the network, closes everything. */
  stop(): Promise<void>;
}

/** What a machine needs to be in a network; `membership.json` in its home folder. */
export interface MembershipFile {
  readonly network: string;
  readonly networkName: string;
  readonly member: string;
  /** UCAN delegation, base64. */
  readonly delegation: string;
  /** Addresses of members to dial first. */
  readonly addresses: readonly string[];
}
