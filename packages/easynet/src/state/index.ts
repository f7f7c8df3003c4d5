export { forgetAddresses } from "./address-book.ts";
export type { DirectoryChecks } from "./admission.ts";
export type { DirectoryTimes } from "./core-types.ts";
export { createDirectory, type DirectoryOptions } from "./directory.ts";
export { formatQuery, parseQuery, QUERY_LENGTH_MAX } from "./query-core.ts";
export type { Directory, DirectoryEvents, DirectoryNode, FindQuery, Offer } from "./types.ts";
export {
  type AcquireLease,
  type CallOptions,
  type CompareAndSet,
  createEtcdStore,
  type CriticalEntry,
  type CriticalEvent,
  type CriticalStore,
  Election,
  type ElectionOptions,
  type EtcdOptions,
  FenceGuard,
  freeName,
  type Lease,
  type LeaseOutcome,
  type ListOptions,
  MemoryCriticalStore,
  type NameOutcome,
  type SetOutcome,
  takeName,
} from "./critical/index.ts";
export {
  type Consensus,
  type ConsensusEvent,
  type ConsensusOptions,
  createConsensus,
  type GroupMember,
  type GroupReport,
  type GroupRole,
} from "./consensus/index.ts";
