export { AgentNetwork } from "./agent-network.ts";
export type { ArtifactAccess } from "./artifact-access.ts";
export { Call, type CallOptions, type CallResult } from "./call.ts";
export { Client } from "./client.ts";
export { ComputeNode, type ComputeNodeOptions, type Serving } from "./compute-node.ts";
export type { NodeOptions } from "./open-access.ts";
export type { StateAccess } from "./state-access.ts";
export type { MessageOptions } from "./voice.ts";
