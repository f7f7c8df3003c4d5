import type { Did } from "../../identity/index.ts";

/** Store-and-forward at a third member; all of it is the node's to say. */
export interface MailOptions {
  /** Of this node, as its links show it. */
  readonly membership: () => Uint8Array;
  /** Rejects unless it is a membership of this network for this member. */
  readonly verifyMember: (membership: Uint8Array, member: Did) => Promise<unknown>;
  /** Members that offer to hold mail and live. */
  readonly holders: () => readonly Did[];
  /** Room for what is held for others, bytes; one sender gets a quarter of it. 0 = nothing is held. */
  readonly holdBytesMax: number;
}

/** What a member keeps for a peer that is away. */
export interface HandedReport {
  readonly holder: Did;
  /** Messages of the lane that it has on disk. */
  readonly handed: number;
}
