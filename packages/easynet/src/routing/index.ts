export type { CallRequest, RoutedEvent, Router } from "./types.ts";
