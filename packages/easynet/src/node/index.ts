export type { EasynetNode, MembershipFile, NodeEvent, NodeStatusReport, PeerReport } from "./types.ts";
