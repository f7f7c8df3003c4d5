export { type NatsBridge, openNatsBridge } from "./bridge/nats-bridge.ts";
export { type BridgeReport, createKeptBridge, type KeptBridge } from "./bridge/kept-bridge.ts";
export type { BridgedMessage } from "./bridge/nats-mapping.ts";
export { type ArtifactsOptions, createArtifacts } from "./artifacts/artifacts.ts";
export type { ArtifactReport, Artifacts, ByteSource, FetchOptions, FetchProgress } from "./artifacts/types.ts";
export { isHopeless } from "./delivery/hopeless.ts";
export { createDelivery, type DeliveryOptions } from "./delivery/delivery.ts";
export { bytesOfSender } from "./mail/limits.ts";
export type { MailOptions } from "./mail/types.ts";
export type { DeliveryLimits } from "./delivery/limits.ts";
export type {
  DeadLetter,
  DeadLetters,
  Delivery,
  DeliveryCounts,
  HeldReport,
  MessageDurability,
  MessageHandler,
  OutboxReport,
  OutgoingMessage,
  ReceivedMessage,
  SentMessage,
  Transaction,
} from "./delivery/types.ts";
export { createExchanges, type ExchangesOptions } from "./exchanges.ts";
export type { ExchangeLimits } from "./limits.ts";
export type { Exchange, ExchangeRequest, Exchanges, IncomingExchange } from "./types.ts";
export { type AskedTask, lastStateOf } from "./tasks/asked-core.ts";
export {
  createTaskCaller,
  type TaskCaller,
  type TaskCallOptions,
  type TaskEvent,
  type TaskPlace,
} from "./tasks/task-caller.ts";
export { encodeState, TASK_STATE_KIND, type TaskReport } from "./tasks/task-report.ts";
export { createTaskServer } from "./tasks/task-server.ts";
export type { ServedTask, TaskRunner, TaskServer } from "./tasks/types.ts";
export { type Kind, type KindDefinition, KindRegistry } from "./shapes/kinds.ts";
export { type ProvenMessage, verifyProof } from "./shapes/proven.ts";
export { TOPIC_LENGTH_MAX, TOPICS_COUNT_MAX } from "./shapes/limits.ts";
export { createMessages } from "./shapes/messages.ts";
export type { Message, MessageEvent, Messages, MulticastReport } from "./shapes/types.ts";
