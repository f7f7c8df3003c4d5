export type { Exchange, ExchangeRequest, Exchanges, IncomingExchange } from "./types.ts";
