import type { Did } from "../identity/index.ts";
import type { NodeStatus } from "../model/index.ts";

/** Which statement about a member is the later one: processes first, then what the process said of itself. */
export interface Life {
  /** Number of the process start; rises with each. */
  readonly epoch: number;
  /** Raised by the member alone, whenever it has to contradict or changes its mode. */
  readonly incarnation: number;
}

/** One statement about a member, as it travels. */
export interface SwimUpdate extends Life {
  readonly did: Did;
  readonly status: NodeStatus;
  /** Who found it suspect or dead; the member itself for everything else. */
  readonly by: Did;
}

export type SwimMessage =
  /** Are you there? Answered by `ack` with the same number. */
  | { readonly kind: "probe"; readonly probe: number; readonly updates: readonly SwimUpdate[] }
  | { readonly kind: "ack"; readonly probe: number; readonly updates: readonly SwimUpdate[] }
  /** Please probe `target` for me; answered by `relayed`. */
  | { readonly kind: "ask"; readonly probe: number; readonly target: Did; readonly updates: readonly SwimUpdate[] }
  /** `answered` false: it did not answer me either, but I did you (the nack of Lifeguard). */
  | { readonly kind: "relayed"; readonly probe: number; readonly answered: boolean }
  | { readonly kind: "news"; readonly updates: readonly SwimUpdate[] }
  /** Sum over all that I know, salted so that an accidental match does not last. */
  | { readonly kind: "digest"; readonly salt: number; readonly sum: number; readonly updates: readonly SwimUpdate[] }
  /** All that I know; `answer`: send me yours. */
  | { readonly kind: "list"; readonly answer: boolean; readonly updates: readonly SwimUpdate[] };

export type SwimInput =
  | { readonly kind: "link-up"; readonly peer: Did }
  /** `unneeded`: it was ended on purpose, which says nothing about the peer. */
  | { readonly kind: "link-down"; readonly peer: Did; readonly unneeded?: boolean }
  | { readonly kind: "message"; readonly from: Did; readonly message: SwimMessage }
  /** This node says something new of itself. */
  | { readonly kind: "mode"; readonly mode: SwimMode }
  /** `lateMs`: how much later than wanted the event loop came to it. */
  | { readonly kind: "tick"; readonly lateMs: number };

export type SwimMode = "alive" | "maintenance" | "left";

export type SwimEffect =
  | { readonly kind: "send"; readonly to: Did; readonly message: SwimMessage }
  /** Another status, or another process of the member, be its status the same. */
  | { readonly kind: "changed"; readonly did: Did; readonly from: NodeStatus | undefined; readonly to: NodeStatus }
  | { readonly kind: "count"; readonly what: "probe-failed" | "refuted" | "starved" | "members-limit" };

export interface SwimConfig {
  /** Between two probes of this node, ms; multiplied by its own health. */
  readonly probeIntervalMs: number;
  /** Until a direct probe counts as unanswered and others are asked, ms; multiplied by the own health. */
  readonly probeTimeoutMs: number;
  /** Members that are asked to probe in our place. */
  readonly indirectCount: number;
  /** Shortest suspicion, in probe intervals per decade of members. */
  readonly suspicionFactor: number;
  /** Longest suspicion, as a multiple of the shortest: without anybody who confirms it. */
  readonly suspicionMaxFactor: number;
  /** Further accusers after which the suspicion is as short as it gets. */
  readonly confirmationsCount: number;
  /** Between two rounds of news while there are any, ms. */
  readonly gossipIntervalMs: number;
  readonly gossipFanout: number;
  /** Times that one piece of news is told or heard again by each node before it rests, per decade of members. */
  readonly retransmitFactor: number;
  /** Updates on one message, beside those about its receiver. */
  readonly updatesCountMax: number;
  /** Between two comparisons with a random peer, ms. */
  readonly syncIntervalMs: number;
  /** The dead and those who left are remembered this long, ms. */
  readonly keepMs: number;
  /** A tick that comes this late proves that we were starved, ms. */
  readonly lateMsMax: number;
  /** Multiplier of our own times at worst, less one. */
  readonly healthMax: number;
  /** Members that verify a suspicion for themselves at once, about. */
  readonly verifiersCount: number;
  /** Members known at once; a further one is not stored, and counted. */
  readonly membersCountMax: number;
}

/** For machines on one local network; every figure may be raised for slower ones. */
export const SWIM_LAN: SwimConfig = {
  probeIntervalMs: 500,
  probeTimeoutMs: 250,
  indirectCount: 3,
  suspicionFactor: 2.5,
  suspicionMaxFactor: 3,
  confirmationsCount: 3,
  gossipIntervalMs: 100,
  gossipFanout: 4,
  retransmitFactor: 8,
  updatesCountMax: 64,
  syncIntervalMs: 10_000,
  keepMs: 600_000,
  lateMsMax: 125,
  healthMax: 8,
  verifiersCount: 16,
  membersCountMax: 5000,
};
