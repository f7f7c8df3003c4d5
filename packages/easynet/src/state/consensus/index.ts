export { type ConsensusOptions, createConsensus, MAIN_GROUP } from "./consensus.ts";
export type { Consensus, ConsensusEvent, GroupMember, GroupReport, GroupRole } from "./types.ts";
