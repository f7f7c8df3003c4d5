export { type AgentHost, type AgentHostOptions, createAgentHost, type DeliverRequest } from "./agent-host.ts";
export { chat, type ChatOptions, collectEnd } from "./chat.ts";
export { FunctionAgent, functionAgent, type FunctionAgentOptions } from "./function-agent.ts";
export type { FunctionOptions, SharedFunction } from "./function-options.ts";
export { createLoadMeter, type LoadMeter, type MachineLoad } from "./load-meter.ts";
export { type Misbehaviour, oneEnd, type OneEndOptions } from "./one-end.ts";
export { measureResources, type ResourceOptions } from "./resources.ts";
export type { ExecuteRequest } from "./task-run.ts";
export type { Agent, AgentMessage, BoundInput, MessageHandler, Task, TaskContext } from "./types.ts";
