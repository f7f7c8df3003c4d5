export { createExchanges, type ExchangesOptions } from "./exchanges.ts";
export type { ExchangeLimits } from "./limits.ts";
export type { Exchange, ExchangeRequest, Exchanges, IncomingExchange } from "./types.ts";
