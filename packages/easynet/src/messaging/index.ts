export { type NatsBridge, type NatsBridgeOptions, openNatsBridge } from "./bridge/nats-bridge.ts";
export type { BridgedMessage } from "./bridge/nats-mapping.ts";
export { createDelivery, type DeliveryOptions } from "./delivery/delivery.ts";
export type { DeliveryLimits } from "./delivery/limits.ts";
export type {
  DeadLetter,
  DeadLetters,
  Delivery,
  DeliveryCounts,
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
