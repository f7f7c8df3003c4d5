export type { Directory, DirectoryEvents, DirectoryNode, FindQuery, Offer } from "./types.ts";
