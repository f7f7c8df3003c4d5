import type { Agent } from "../agents/index.ts";
import type { FoundOffer } from "../gateway/index.ts";
import type { TaskReport } from "../messaging/index.ts";
import type { ArtifactAccess } from "./artifact-access.ts";
import type { StateAccess } from "./state-access.ts";
import type { AgentCard } from "../model/index.ts";
import type { AgentContent, BroadcastReport } from "../node/index.ts";
import type { FindQuery } from "../state/index.ts";
import type { CallRequest, RoutedEvent } from "../routing/index.ts";

/**
 * How this process reaches the network: through a node that it runs itself, or through the node that already runs on
 * this machine. Both look the same from here on.
 */
export interface NodeAccess {
  readonly did: string;
  readonly name: string;
  /** True when the node runs in this process. */
  readonly embedded: boolean;
  call(request: CallRequest, options?: { readonly signal?: AbortSignal }): AsyncIterable<RoutedEvent>;
  /** @throws {EasynetError} QUERY_INVALID */
  find(query: FindQuery): Promise<readonly FoundOffer[]>;
  /** State and outcome of a stored task. @throws {EasynetError} TASK_FORGOTTEN */
  task(id: string): Promise<TaskReport>;
  readonly artifacts: ArtifactAccess;
  readonly state: StateAccess;
  /** Offers an agent until it is disposed or the access closes. */
  offer(agent: Agent): Promise<OfferedAgent>;
  /** Called once when the node is gone: closed by us, stopped, or lost. */
  onClosed(listener: (reason: string) => void): void;
  close(): Promise<void>;
}

/** What an offered agent can do on the network; an AgentHandle of the node is one. */
export interface OfferedAgent extends AsyncDisposable {
  /** Publishes the capabilities again after they changed. */
  refresh(): Promise<void>;
  /** @returns what the receiver's handler returned, or what became of the message when that is not waited for */
  sendMessage(to: string, content: AgentContent): Promise<unknown>;
  broadcast(content: AgentContent): Promise<BroadcastReport>;
  announce(content: Pick<AgentContent, "kind" | "payload">): Promise<string> | string;
  joinTopic(topic: string): Promise<void>;
  leaveTopic(topic: string): Promise<void>;
  publish(topic: string, content: AgentContent): Promise<BroadcastReport>;
  peers(): Promise<readonly AgentCard[]> | readonly AgentCard[];
}
