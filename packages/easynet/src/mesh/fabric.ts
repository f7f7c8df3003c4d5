import type { Did } from "../identity/index.ts";

/**
 * The port to the outside: authenticated byte streams between nodes. Two adapters, libp2p and the in-memory twin,
 * pass one contract suite (testing/contracts/fabric.ts). A fabric knows keys, not networks: membership is checked above.
 */
export interface Fabric {
  readonly self: Did;
  /** Starts listening. @throws {EasynetError} PORT_IN_USE */
  start(): Promise<void>;
  /** Closes every connection and stops listening. */
  stop(): Promise<void>;
  /** Addresses others can dial, as multiaddrs with the peer's key at the end; empty before `start`. */
  addresses(): readonly string[];
  /**
   * Connects to an address, proving both keys. @throws {EasynetError} PEER_UNREACHABLE, INVALID_ARGUMENT
   */
  dial(address: string, options?: { readonly signal?: AbortSignal }): Promise<FabricConnection>;
  /** Called for each connection that somebody else opened, before any of its lanes. One handler. */
  onConnection(handler: (connection: FabricConnection) => void): void;
  /** Absent unless it was asked for, and where only easynet is spoken. */
  readonly guests?: Guests | undefined;
}

/**
 * Protocols of other programs over libp2p on the node's own port, with whoever proves a key: guests are no members, and
 * a connection between two easynet nodes carries none of this.
 */
export interface Guests {
  /** Before `start` of the fabric. The handler listens to the stream at once. */
  handle(protocol: string, handler: (guest: Guest, stream: LaneStream) => void): Promise<void>;
  /** @throws {EasynetError} PEER_UNREACHABLE, INVALID_ARGUMENT */
  dial(address: string, signal: AbortSignal): Promise<Guest>;
}

/** A connection with such a program; it ends when nothing is opened on it for a while. */
export interface Guest {
  readonly remote: Did;
  readonly direction: "inbound" | "outbound";
  /** @throws {EasynetError} LINK_CLOSED, also when the other end does not speak it */
  open(protocol: string): Promise<LaneStream>;
  onClose(handler: () => void): void;
  abort(reason: Error): void;
}

export interface FabricConnection {
  /** The key that the other end proved. */
  readonly remote: Did;
  readonly remoteAddress: string;
  /** Address of this machine that the connection uses; undefined when that is not known. */
  readonly localHost?: string | undefined;
  /** The member that carries this connection; undefined = direct. */
  readonly via?: Did | undefined;
  /** True when both ends had to dial at the same moment: its address leads nowhere another time. */
  readonly once?: boolean | undefined;
  readonly direction: "inbound" | "outbound";
  /** Opens a byte stream for a lane; the other end gets it through `onLane`. */
  openLane(lane: string): Promise<LaneStream>;
  /** One handler; streams that arrive before it is set wait, at most 8. */
  onLane(handler: (lane: string, stream: LaneStream) => void): void;
  /** Called once. */
  onClose(handler: (error?: Error) => void): void;
  /** Lets written bytes leave, then closes. */
  close(): Promise<void>;
  /** Drops everything at once. */
  abort(reason: Error): void;
}

/** An ordered byte stream without message boundaries. */
export interface LaneStream {
  /** Takes ownership of `bytes`. False: above the high-water mark, wait for `onDrain` before sending more. */
  send(bytes: Uint8Array): boolean;
  /** Bytes accepted and not yet handed to the operating system. */
  readonly bufferedBytes: number;
  /** Set synchronously when the stream is received; the chunk may be reused after the handler returns. */
  onData(handler: (chunk: Uint8Array) => void): void;
  onDrain(handler: () => void): void;
  /** Called once. */
  onClose(handler: (error?: Error) => void): void;
  close(): Promise<void>;
  abort(reason: Error): void;
}
