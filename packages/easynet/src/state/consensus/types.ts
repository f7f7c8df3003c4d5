import type { Did } from "../../identity/index.ts";
import type { CriticalStore } from "../critical/types.ts";

export type GroupRole = "leader" | "follower" | "candidate" | "learner" | "client";

/** One group as this node sees it. */
export interface GroupReport {
  readonly group: string;
  /** What this node is in it; a client keeps nothing of it and asks its members. */
  readonly role: GroupRole;
  /** Rises when an operator makes the group anew from one node. */
  readonly generation: number;
  readonly term: number;
  readonly leader: Did | undefined;
  readonly members: readonly GroupMember[];
  /** Entries of the log that are decided, and of those how many this node has carried out. */
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Of the voters, so many can fail without a pause in decisions. */
  readonly mayFail: number;
  /** Why nothing can be decided from here now; undefined when it can. */
  readonly refusal: string | undefined;
}

export interface GroupMember {
  readonly id: number;
  readonly did: Did;
  readonly vote: "voter" | "learner";
  /** This node, or linked to it. */
  readonly reachable: boolean;
}

export type ConsensusEvent =
  | { readonly type: "leader"; readonly group: string; readonly leader: Did | undefined }
  /** Which members this side of a partition has changed; with `there` empty it is healed. */
  | {
      readonly type: "partition";
      readonly group: string;
      readonly here: readonly Did[];
      readonly there: readonly Did[];
      readonly hasMajority: boolean;
    }
  /** An operator made the group anew from this node alone. */
  | { readonly type: "forced"; readonly group: string; readonly generation: number };

/** Critical state of a network: groups of a few members that decide, which every node can use. */
export interface Consensus {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The store of a group; every node may use it. @param group 1 to 60 of a-z, 0-9 and - */
  store(group?: string): CriticalStore;
  /** Makes a group whose first voter is this node, unless it exists. @throws {EasynetError} NO_MAJORITY */
  found(group: string): Promise<void>;
  reports(): readonly GroupReport[];
  /** Hands the lead to a voter. @throws {EasynetError} MEMBERS_UNCHANGED */
  transfer(group: string, to: Did): Promise<void>;
  /**
   * Makes the group anew from what this node has, with this node as its only voter, after a majority was lost for good.
   * What the others had decided beyond that is lost; should they come back, they give up what they have.
   * @throws {EasynetError} MEMBERS_UNCHANGED when this node has nothing of it, or a majority is there
   */
  force(group: string): Promise<void>;
  on(listener: (event: ConsensusEvent) => void): Disposable;
}
