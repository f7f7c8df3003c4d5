export type { Gateway, GatewayOptions } from "./gateway-options.ts";
export type { AgentReport, CallResult } from "./api-schemas.ts";
export { startGateway } from "./start-gateway.ts";
export { type ServedNode, serveNode } from "./serve-node.ts";
