export type { ListOptions, Store, Write } from "./types.ts";
