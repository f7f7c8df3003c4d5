import type { Did } from "../identity/index.ts";
import type { Lane } from "../wire/index.ts";

/** A node that this one holds an admitted link to. */
export interface Peer {
  readonly did: Did;
  readonly name: string;
  readonly address: string;
  readonly direction: "inbound" | "outbound";
  /** The member that carries the link; undefined = direct. */
  readonly via?: Did | undefined;
  readonly connectedAtMs: number;
  /** Last measured round trip; undefined before the first. */
  readonly rttMs: number | undefined;
  /** Wall clock of the peer minus ours, ms; undefined until the peer told it. */
  readonly clockOffsetMs?: number | undefined;
  /** Random number of the peer's process; changes at each start. */
  readonly epoch: number;
}

/** A frame that an admitted member sent. `body` is valid only until the handler returns: copy what stays. */
export interface MeshFrame {
  readonly from: Did;
  readonly lane: Lane;
  readonly type: number;
  /** Sequence on this link and lane, from 1. */
  readonly sequence: number;
  /** Correlation number chosen by the sender's upper layer; 0 when unused. */
  readonly correlation: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

export interface OutgoingFrame {
  readonly lane: Lane;
  readonly type: number;
  readonly correlation?: number;
  readonly flags?: number;
  readonly body: Uint8Array;
}

/** Consumption ends when the returned promise settles; only then does the sender get its credit back. */
export type FrameHandler = (frame: MeshFrame) => void | Promise<void>;

/** A second process with this node's key, as a member saw it. */
export interface TwinReport {
  /** Where that member reached the other process. */
  readonly address: string;
  readonly otherStartedAtMs: number;
  /** We started later: members that see the other one refuse us until it is gone. */
  readonly steppedBack: boolean;
}

export interface MeshEvents {
  "peer-joined": [peer: Peer];
  /** The link ended and was not replaced within the same tick. */
  "peer-left": [peer: Peer, reason: string];
  /** A member says that another process runs with our key; again with each time it notices. */
  "identity-duplicated": [report: TwinReport];
}

/**
 * Over what a link may be made: `direct`, the member's own addresses; `linked`, also through members that there are links
 * to; `any`, also through members that have to be dialled first.
 */
export type Way = "direct" | "linked" | "any";

export interface ReachOptions {
  /** @default any */
  readonly way?: Way;
  readonly signal?: AbortSignal | undefined;
}

/** Links to every member in reach: what messaging and state stand on. */
export interface Mesh {
  readonly self: Did;
  readonly network: Did;
  /** Random number of this process. */
  readonly epoch: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  addresses(): readonly string[];
  peers(): readonly Peer[];
  peer(did: Did): Peer | undefined;
  /** Links to a multiaddr or `host:port#did`; resolves when the member is admitted on both sides. */
  connect(address: string): Promise<Peer>;
  /**
   * Addresses of a member, learnt elsewhere (directory, configuration). While few are known a link to each is dialled and
   * redialled by itself; with more than FULL_MESH_COUNT_MAX, to an active view of them, and to others on demand.
   */
  learn(did: Did, addresses: readonly string[]): void;
  /**
   * The machine got other addresses or slept: links whose own address is `gone` end, the others are asked whether they
   * live, and every known peer is dialled at once.
   */
  networkChanged(change: { readonly gone: readonly string[] }): void;
  /**
   * A link to a learnt member, dialled now if there is none, directly or through others.
   * @throws {EasynetError} PEER_UNREACHABLE, DEADLINE_EXCEEDED, NODE_STOPPING, or the reason of `signal`
   */
  reach(did: Did, options?: ReachOptions): Promise<Peer>;
  /** True for a member to which no link is kept, because there are too many; `reach` dials it. */
  isOnDemand(did: Did): boolean;
  /** In a network with too many members for a link to each: to whom a member is likely to be linked. Else nobody. */
  neighboursOf(did: Did): readonly Did[];
  /**
   * Ends links that this node dialled on demand and that were unused for a minute, and the ones unused for longest when
   * there are too many. To be called every few seconds. @param inUse what is in use stays
   */
  trim(inUse: (did: Did) => boolean): void;
  /** Forgets a peer for good: no more dialling. */
  forget(did: Did): void;
  /**
   * Queues a frame; it is written with the next flush. False: the lane is above its high-water mark, wait for
   * `drained`. @throws {EasynetError} PEER_UNREACHABLE without link; BACKPRESSURE when the lane's queue is full.
   */
  send(to: Did, frame: OutgoingFrame): boolean;
  /** Resolves when the lane is below its high-water mark; rejects with LINK_CLOSED. */
  drained(to: Did, lane: Lane): Promise<void>;
  /** One handler per frame type; a frame of an unhandled type is refused and counted. */
  handle(type: number, handler: FrameHandler): void;
  on<Name extends keyof MeshEvents>(name: Name, listener: (...values: MeshEvents[Name]) => void): Disposable;
}
