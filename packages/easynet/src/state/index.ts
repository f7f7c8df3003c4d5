export { forgetAddresses } from "./address-book.ts";
export type { DirectoryChecks } from "./admission.ts";
export type { DirectoryTimes } from "./core-types.ts";
export { createDirectory, type DirectoryOptions } from "./directory.ts";
export { createDocuments, type RunningDocuments } from "./documents/documents.ts";
export type { DocumentEdit, Documents, SharedDocument } from "./documents/types.ts";
export { formatQuery, parseQuery, QUERY_LENGTH_MAX } from "./query-core.ts";
export { spaceSpecSchema } from "./spaces/checks.ts";
export {
  createSharedState,
  DEFAULT_SPACE_NAME,
  type RunningState,
  type SharedStateOptions,
} from "./spaces/shared-state.ts";
export {
  type Backup,
  type Change,
  CONSISTENCIES,
  type Consistency,
  type DistributedState,
  MERGE_RULES,
  type MergeRule,
  type Reading,
  type ReadOptions,
  type SharedState,
  type SpaceDeclaration,
  type SpaceReport,
  type SpaceSpec,
  type StateEvent,
  type Version,
  type WriteOptions,
  type WriteReceipt,
} from "./spaces/types.ts";
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
