export { type A2aAgentCard, CARD_LIMITS, cardFromA2a, cardToA2a } from "./a2a-card.ts";
export { type AgentCard, agentCardSchema, type SignedCard, signedCardSchema } from "./agent-card.ts";
export {
  type Capability,
  CAPABILITY_TYPES,
  capabilityWith,
  capabilitySchema,
  DURABILITIES,
  type Durability,
  type JsonSchema,
  type Resources,
  resourcesSchema,
} from "./capability.ts";
export { checkSchema } from "./check-schema.ts";
export { describeIssues } from "./describe-issues.ts";
export { isJsonObject, jsonProblem, type JsonLimits } from "./json-limits.ts";
export { type NodeLoad, type NodeRecord, nodeRecordSchema, type NodeStatus } from "./node-record.ts";
export { nodeStatusFrom, SEED_STATUS_WORDS } from "./node-status.ts";
export { PRIORITIES, type Priority, priorityFrom, priorityRank, prioritySchema } from "./priority.ts";
export {
  type AgentEvent,
  type Budget,
  budgetSchema,
  type ChatMessage,
  type StopReason,
  type TaskError,
  type TaskInput,
  type TaskState,
  type UsageBasis,
} from "./task.ts";
