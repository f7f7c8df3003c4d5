export { Election, type ElectionOptions } from "./election.ts";
export { createEtcdStore } from "./etcd-critical-store.ts";
export type { EtcdOptions } from "./etcd-gateway.ts";
export { FenceGuard } from "./fence-guard.ts";
export { MemoryCriticalStore } from "./memory-critical-store.ts";
export { freeName, type NameOutcome, takeName } from "./names.ts";
export type {
  AcquireLease,
  CallOptions,
  CompareAndSet,
  CriticalEntry,
  CriticalEvent,
  CriticalStore,
  Lease,
  LeaseOutcome,
  ListOptions,
  SetOutcome,
} from "./types.ts";
