export { createRouter, type RouterOptions } from "./router.ts";
export type { CallRequest, RoutedEvent, Router } from "./types.ts";
