import { EasynetError } from "../../kernel/index.ts";
import { NODE_ID_MAX, type RaftConfig } from "./types.ts";

/** A configuration in which nothing is missing. */
export type ResolvedConfig = Required<Omit<RaftConfig, "logger">> & Pick<RaftConfig, "logger">;

/** @throws {EasynetError} INVALID_ARGUMENT naming the field */
export function resolveConfig(config: RaftConfig): ResolvedConfig {
  const maxSizePerMsg = config.maxSizePerMsg ?? Infinity;
  const resolved: ResolvedConfig = {
    ...config,
    applied: config.applied ?? 0,
    asyncStorageWrites: config.asyncStorageWrites ?? false,
    maxSizePerMsg,
    maxCommittedSizePerReady: config.maxCommittedSizePerReady ?? Math.max(1, maxSizePerMsg),
    maxUncommittedEntriesSize: config.maxUncommittedEntriesSize ?? Infinity,
    maxInflightBytes: config.maxInflightBytes ?? Infinity,
    checkQuorum: config.checkQuorum ?? false,
    preVote: config.preVote ?? false,
    readOnlyOption: config.readOnlyOption ?? "safe",
    disableProposalForwarding: config.disableProposalForwarding ?? false,
    disableConfChangeValidation: config.disableConfChangeValidation ?? false,
    stepDownOnRemoval: config.stepDownOnRemoval ?? false,
  };
  check(Number.isInteger(config.id) && config.id > 0 && config.id <= NODE_ID_MAX, "id", "is no node id");
  check(config.heartbeatTick >= 1, "heartbeatTick", "must be at least 1");
  check(config.electionTick > config.heartbeatTick, "electionTick", "must be greater than heartbeatTick");
  check(config.maxInflightMsgs >= 1, "maxInflightMsgs", "must be at least 1");
  check(resolved.maxCommittedSizePerReady >= 1, "maxCommittedSizePerReady", "must be at least 1");
  check(
    config.maxInflightBytes === undefined || config.maxInflightBytes >= maxSizePerMsg,
    "maxInflightBytes",
    "must not be below maxSizePerMsg",
  );
  const leases = resolved.readOnlyOption === "lease-based";
  check(!leases || resolved.checkQuorum, "readOnlyOption", "lease-based needs checkQuorum");
  return resolved;
}

function check(condition: boolean, field: string, reason: string): void {
  if (!condition) throw new EasynetError("INVALID_ARGUMENT", { subject: `The Raft setting ${field}`, reason });
}
