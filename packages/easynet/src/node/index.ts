export type { EasynetNode, MembershipFile, NodeEvent, NodeStatusReport, PeerReport } from "./types.ts";
export { parseJson, reviveJson, stringifyJson } from "./json-value.ts";
export {
  type FunctionDeclaration,
  functionDeclarationSchema,
  type InvocationContext,
  LOCAL_CLOSE_CODES,
  LOCAL_LIMITS,
  LOCAL_PROTOCOL,
  LOCAL_SUBPROTOCOLS,
  LOCAL_WEBSOCKET_PATH,
  type NodeMessage,
  nodeMessageSchema,
  type ProcessMessage,
  processMessageSchema,
  takesCredit,
} from "./local-protocol.ts";
