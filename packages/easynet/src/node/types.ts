import type { Agent } from "../agents/index.ts";
import type { Did } from "../identity/index.ts";
import type {
  Artifacts,
  AskedTask,
  DeadLetters,
  DeliveryCounts,
  KindRegistry,
  MessageDurability,
  OutboxReport,
  ServedTask,
  TaskReport,
} from "../messaging/index.ts";
import type { AgentCard, NodeLoad, Priority, Resources } from "../model/index.ts";
import type { CallRequest, RoutedEvent } from "../routing/index.ts";
import type { Documents, FindQuery, Offer, SharedState } from "../state/index.ts";
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
  /** What is known of another process with this node's key; absent when there is none. */
  readonly duplicate?: DuplicateReport | undefined;
  /** Interfaces on which nearby machines are looked for, and those skipped with the reason. */
  readonly discovery: readonly { readonly interface: string; readonly address: string; readonly state: string }[];
}

/** A second process with this node's key: a copied folder. */
export interface DuplicateReport {
  /** Where the other one was met. */
  readonly address: string;
  readonly otherStartedAtMs: number;
  readonly lastSeenAtMs: number;
  /** This node started later: it closed its links and waits until the other one is gone. */
  readonly steppedBack: boolean;
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
  /** A machine without a code asks to be let in. */
  | { readonly type: "join-asked"; readonly did: string; readonly name: string; readonly address: string }
  /** A message left this node, came, or was refused here; `did` is the other node. */
  | {
      readonly type: "message-sent" | "message-received" | "message-refused";
      readonly id: string;
      readonly kind: string;
      readonly did: string;
      readonly name: string;
      /** The agent it is for, by did. */
      readonly to?: string;
      /** Of a refusal: an error code, or `expired`, `failed`, `unexpected-answer`. */
      readonly reason?: string;
    }
  /** Another process runs with this node's key. */
  | { readonly type: "duplicate-identity"; readonly did: string; readonly name: string; readonly reason: string }
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
   * Sends a message to an agent or node, by name or did. @returns what its handler returned, or without waiting for that a
   * {@link SentReport}
   * @throws {EasynetError} NO_CAPABLE_AGENT, PAYLOAD_INVALID, BACKPRESSURE, DEADLINE_EXCEEDED, or what the handler threw
   */
  sendMessage(to: string, content: AgentContent): Promise<unknown>;
  /** Sends to every agent in reach but itself; one unreachable receiver does not stop the others. */
  broadcast(content: AgentContent): Promise<BroadcastReport>;
  /** Tells every node at once, without asking who got it. @returns the message's id */
  announce(content: Pick<AgentContent, "kind" | "payload">): string;
  /** Joins a topic until it leaves or is taken back. @throws {EasynetError} INVALID_ARGUMENT, OVERLOADED */
  joinTopic(topic: string): Promise<void>;
  leaveTopic(topic: string): Promise<void>;
  /** Sends to every node with a member of the topic as of now; `delivered` and `failed` name nodes. */
  publish(topic: string, content: AgentContent): Promise<BroadcastReport>;
  /** Agents in reach, without itself. */
  peers(): readonly AgentCard[];
}

/** What an agent, a program or a person sends. */
export interface AgentContent {
  readonly kind: string;
  readonly payload?: unknown;
  /** A UUID; a durable request that is sent again under its id gets the answer of the first. @default a new one */
  readonly id?: string | undefined;
  /** What to wait for. @default "answer": what the receiver's handler returned */
  readonly wait?: "stored" | "acknowledged" | "answer" | undefined;
  /** @default as the kind says; of an undefined kind volatile when an answer is waited for, else disk */
  readonly durability?: MessageDurability | undefined;
  readonly priority?: Priority | undefined;
  /** How long it may be under way, and with `answer` the time for the answer too, ms. @default 30,000 for an answer */
  readonly timeoutMs?: number | undefined;
}

/** What became of a message. */
export interface SentReport {
  readonly id: string;
  /** did of the node it went to. */
  readonly node: string;
  readonly state: "stored" | "acknowledged" | "answered";
  /** What the receiver's handler returned. */
  readonly answer?: unknown;
}

/** Messages of the node itself, and what waits or failed. */
export interface NodeMessages {
  /** As {@link AgentHandle.sendMessage}, from the node. @throws {EasynetError} KIND_UNKNOWN, and what that throws */
  send(to: string, content: AgentContent): Promise<SentReport>;
  /** The answer to a durable request, by id, also after a restart. @throws {EasynetError} ANSWER_UNKNOWN */
  answer(id: string): Promise<unknown>;
  readonly kinds: KindRegistry;
  counts(): DeliveryCounts;
  outbox(): readonly OutboxReport[];
  readonly deadLetters: DeadLetters;
}

export interface BroadcastReport {
  readonly delivered: readonly string[];
  readonly failed: readonly { readonly agent: string; readonly code: string }[];
}

export interface InviteOptions {
  /** Machines that may join with it, 1 to 100. @default 1 */
  readonly uses?: number;
  /** How long it holds, ms; 10 s to 7 days. @default 15 minutes */
  readonly expiresMs?: number;
  /** Who joins with it may not let others in, and has to renew the membership every 30 days. @default false */
  readonly memberOnly?: boolean;
}

export interface ApproveOptions {
  /** As for an invitation. @default false */
  readonly memberOnly?: boolean;
}

/** An invitation as its issuer knows it. */
export interface InviteReport {
  readonly id: string;
  /** What `easynet join` takes; told once, when the invitation is made, and not kept. */
  readonly code?: string;
  readonly usesMax: number;
  /** Dids of those who joined with it. */
  readonly joined: readonly string[];
  readonly expiresAtMs: number;
  readonly revoked: boolean;
  /** Who joins with it may not let others in. */
  readonly memberOnly: boolean;
}

/** A machine that asks to be let in without a code. Name and address are its own words. */
export interface PendingJoinReport {
  readonly did: string;
  readonly name: string;
  readonly address: string;
  readonly askedAtMs: number;
  /** A person said yes; the machine has not come back for its membership yet. */
  readonly approved: boolean;
  readonly memberOnly: boolean;
  /** Did of the member that was asked; absent: this node was. */
  readonly via?: string;
}

/** Letting machines in. A node without that right throws INVITE_RIGHT_MISSING. */
export interface Joining {
  /** Makes a code for `easynet join`. @throws {EasynetError} INVITE_RIGHT_MISSING, INVALID_ARGUMENT, OVERLOADED */
  invite(options?: InviteOptions): Promise<InviteReport>;
  /** Invitations that hold, without their codes. */
  invites(): readonly InviteReport[];
  /** Calls an invitation back. @throws {EasynetError} INVALID_ARGUMENT when there is none of this id */
  revoke(id: string): Promise<InviteReport>;
  /** Machines that ask to be let in, at most 16. @throws {EasynetError} INVITE_RIGHT_MISSING */
  pending(): readonly PendingJoinReport[];
  /**
   * Lets one of them in, by did or by name. @throws {EasynetError} JOIN_NOT_PENDING, INVALID_ARGUMENT, INVITE_RIGHT_MISSING;
   * PEER_UNREACHABLE when the member that was asked is gone
   */
  approve(who: string, options?: ApproveOptions): Promise<PendingJoinReport>;
}

/** Stored tasks that this node knows of. */
export interface TaskLists {
  /** Those that it gave to providers, itself included. */
  readonly asked: readonly AskedTask[];
  /** Those that it runs or ran. */
  readonly served: readonly (ServedTask & { readonly callerName: string })[];
}

/** A running node as gateway and SDK see it. */
export interface EasynetNode {
  readonly did: Did;
  readonly name: string;
  readonly home: string;
  status(): NodeStatusReport;
  peers(): readonly PeerReport[];
  /** Offers that fit; of live nodes unless the query names another status. */
  offers(query?: FindQuery): readonly Offer[];
  /** In maintenance the node runs on, and nobody in the network chooses what it offers. */
  setMaintenance(on: boolean): void;
  cards(): readonly AgentCard[];
  call(request: CallRequest, options?: { readonly signal?: AbortSignal }): AsyncIterable<RoutedEvent>;
  /** State and outcome of a stored task of this node. @throws {EasynetError} TASK_FORGOTTEN */
  task(id: string): Promise<TaskReport>;
  tasks(): TaskLists;
  /** Offers an agent to the network; disposing takes it back. Its key is kept under its name in the home folder. */
  addAgent(agent: Agent): Promise<AgentHandle>;
  connect(address: string): Promise<PeerReport>;
  /** What works and what does not, as far as the node can tell; dials members that are not linked. */
  examine(): Promise<readonly Finding[]>;
  /** A membership of this network for another key, with the right to let others in. Needs that right itself. */
  delegateMembership(member: string): Promise<MembershipFile>;
  readonly joining: Joining;
  readonly messages: NodeMessages;
  /** Bulk data by content address. */
  readonly artifacts: Artifacts;
  /** Named maps that members share. */
  readonly state: SharedState;
  /** Documents that several members edit at once. */
  readonly documents: Documents;
  /**
   * Gives the membership up; the node's key stays. The caller stops the node afterwards.
   * @throws {EasynetError} LEAVE_UNCONFIRMED on a node with the root key, unless `confirmed`
   */
  leave(options: { readonly confirmed: boolean }): Promise<void>;
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
