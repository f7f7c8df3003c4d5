export { type ConsensusOptions, createConsensus } from "./consensus.ts";
export type { Consensus, ConsensusEvent, GroupMember, GroupReport, GroupRole } from "./types.ts";
