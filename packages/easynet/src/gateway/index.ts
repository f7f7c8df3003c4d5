export type { Gateway, GatewayOptions } from "./gateway-options.ts";
export type { AgentReport, CallResult, FoundOffer } from "./api-schemas.ts";
export type { TasksBody } from "./task-routes.ts";
export { foundOf } from "./reports.ts";
export { startGateway } from "./start-gateway.ts";
export { type ServedNode, serveNode } from "./serve-node.ts";
