export { forgetAddresses } from "./address-book.ts";
export type { DirectoryChecks } from "./admission.ts";
export type { DirectoryTimes } from "./core-types.ts";
export { createDirectory, type DirectoryOptions } from "./directory.ts";
export { formatQuery, parseQuery, QUERY_LENGTH_MAX } from "./query-core.ts";
export type { Directory, DirectoryEvents, DirectoryNode, FindQuery, Offer } from "./types.ts";
export * from "./critical/index.ts";
export * from "./consensus/index.ts";
