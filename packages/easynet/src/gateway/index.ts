export type { Gateway, GatewayOptions } from "./gateway-options.ts";
export { startGateway } from "./start-gateway.ts";
export { type ServedNode, serveNode } from "./serve-node.ts";
