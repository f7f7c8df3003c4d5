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
export { type Kind, type KindDefinition, KindRegistry } from "./shapes/kinds.ts";
export { TOPIC_LENGTH_MAX, TOPICS_COUNT_MAX } from "./shapes/limits.ts";
export { createMessages } from "./shapes/messages.ts";
export type { Message, MessageEvent, Messages, MulticastReport } from "./shapes/types.ts";
