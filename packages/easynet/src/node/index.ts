export { choosePort } from "./choose-port.ts";
export {
  type ConfigKey,
  type ConfigOrigin,
  environmentName,
  homeFolder,
  loadConfig,
  type LoadConfigOptions,
  type LoadedConfig,
  type NodeConfig,
} from "./config.ts";
export { Home, membershipFileSchema, readRunFile, type RunFile } from "./home.ts";
export { describeFinding, type DoctorCheck, type Finding, finding, isDoctorFact } from "./doctor-facts.ts";
export { examineMachine } from "./lazy-doctor.ts";
export { startNode, type StartedNode } from "./lazy-start.ts";
export { Invitations, type InvitationsOptions } from "./invitations.ts";
export { askForApproval, findNearby, joinNetwork } from "./lazy-join.ts";
export { leaveNetwork } from "./leave-network.ts";
export type {
  AgentContent,
  AgentHandle,
  BroadcastReport,
  DuplicateReport,
  EasynetNode,
  InviteOptions,
  InviteReport,
  Joining,
  MembershipFile,
  NodeEvent,
  NodeMessages,
  NodeStatusReport,
  PeerReport,
  PendingJoinReport,
  TaskLists,
  SentReport,
} from "./types.ts";
export { EASYNET_VERSION } from "./version.ts";
export { jsonReplacer, parseJson, reviveJson, stringifyJson } from "./json-value.ts";
export {
  type FunctionDeclaration,
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
