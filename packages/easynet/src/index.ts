export { EasynetError, type ErrorCode, isEasynetError } from "./kernel/index.ts";
export {
  type Agent,
  chat,
  type FunctionOptions,
  type MessageHandler,
  type TaskContext,
  type WorkerFunction,
} from "./agents/index.ts";
export type { KindDefinition, MessageDurability } from "./messaging/index.ts";
export type { AgentEvent, Budget, Priority } from "./model/index.ts";
export type { RoutedEvent } from "./routing/index.ts";
export type { BroadcastReport } from "./node/index.ts";
export type { FoundOffer } from "./gateway/index.ts";
export type { ArtifactReport, TaskReport } from "./messaging/index.ts";
export type { Consistency, DistributedState, FindQuery, MergeRule, Reading, StateEvent } from "./state/index.ts";
export {
  AgentNetwork,
  type ArtifactAccess,
  Call,
  type CallOptions,
  type CallResult,
  Client,
  ComputeNode,
  type ComputeNodeOptions,
  type MessageOptions,
  type NodeOptions,
  type Serving,
  type StateAccess,
} from "./sdk/index.ts";
