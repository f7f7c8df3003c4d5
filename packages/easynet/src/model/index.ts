export { type AgentCard, agentCardSchema, type SignedCard, signedCardSchema } from "./agent-card.ts";
export {
  type Capability,
  CAPABILITY_TYPES,
  capabilitySchema,
  DURABILITIES,
  type Durability,
  type JsonSchema,
  type Resources,
  resourcesSchema,
} from "./capability.ts";
export { type NodeLoad, type NodeRecord, nodeRecordSchema, type NodeStatus } from "./node-record.ts";
export { PRIORITIES, type Priority, priorityFrom, priorityRank, prioritySchema } from "./priority.ts";
export {
  type AgentEvent,
  type Budget,
  budgetSchema,
  type ChatMessage,
  type StopReason,
  TASK_STATES,
  type TaskError,
  type TaskInput,
  type TaskState,
  type UsageBasis,
} from "./task.ts";
