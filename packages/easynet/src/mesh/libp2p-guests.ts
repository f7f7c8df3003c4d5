import type { Connection, Stream } from "@libp2p/interface";
import { type Clock, EasynetError, type Logger, type Timer } from "../kernel/index.ts";
import { encodeProtobuf, encodeVarint } from "../wire/index.ts";
import type { Guest, LaneStream } from "./fabric.ts";
import { didFromPeerId } from "./libp2p-address.ts";
import { Libp2pLane } from "./libp2p-lane.ts";

/** Others ask it first: what they do not find in the answer they do not try (libp2p specs, identify/README.md). */
const IDENTIFY = "/ipfs/id/1.0.0";
/** Guests at once; a further one is refused. */
const GUESTS_COUNT_MAX = 32;
/** Streams of a protocol that one guest has open, in each direction; a further one is refused. */
const STREAMS_COUNT_MAX = 8;
/** A guest on whose connection no stream was opened for this long goes, ms. */
const IDLE_MS = 60_000;

export interface Libp2pGuestsOptions {
  /** The node's, as libp2p writes it. */
  readonly publicKey: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly handle: (
    protocol: string,
    handler: (stream: Stream, connection: Connection) => void,
    limits: { readonly maxInboundStreams: number; readonly maxOutboundStreams: number },
  ) => Promise<void>;
}

interface Known {
  readonly guest: Guest;
  idle: Timer;
}

/** Connections of other programs over libp2p. */
export class Libp2pGuests {
  readonly #options: Libp2pGuestsOptions;
  readonly #known = new Map<string, Known>();
  readonly #protocols: string[] = [];

  constructor(options: Libp2pGuestsOptions) {
    this.#options = options;
  }

  async handle(protocol: string, handler: (guest: Guest, stream: LaneStream) => void): Promise<void> {
    if (this.#protocols.length === 0) {
      this.#protocols.push(IDENTIFY);
      await this.#listen(IDENTIFY, (_, stream) => this.#identify(stream));
    }
    this.#protocols.push(protocol);
    await this.#listen(protocol, handler);
  }

  /** Undefined when there are too many; the connection is over then. */
  welcome(connection: Connection): Guest | undefined {
    const { clock } = this.#options;
    const known = this.#known.get(connection.id);
    if (known) return known.guest;
    if (this.#known.size >= GUESTS_COUNT_MAX) {
      this.end(connection, "too many guests");
      this.#options.logger.warn("guest refused", { guests: GUESTS_COUNT_MAX });
      return undefined;
    }
    const guest: Guest = {
      remote: didFromPeerId(connection.remotePeer.toString()),
      direction: connection.direction,
      open: (protocol) => this.#openStream(connection, protocol),
      onClose: (handler) => connection.addEventListener("close", () => handler()),
      abort: (reason) => this.end(connection, reason.message),
    };
    const idle = clock.setTimer(IDLE_MS, () => this.#dismiss(connection));
    this.#known.set(connection.id, { guest, idle });
    connection.addEventListener("close", () => this.leave(connection));
    return guest;
  }

  /** Later: a TLS socket of Node 26 that is dropped while it hands over what it read can end the process. */
  end(connection: Connection, reason: string): void {
    this.#options.clock.setTimer(0, () => connection.abort(new Error(reason)));
  }

  /** It is none any longer; false when it was none. */
  leave({ id }: Connection): boolean {
    this.#known.get(id)?.idle.cancel();
    return this.#known.delete(id);
  }

  async #listen(protocol: string, handler: (guest: Guest, stream: LaneStream) => void): Promise<void> {
    const limits = { maxInboundStreams: STREAMS_COUNT_MAX, maxOutboundStreams: STREAMS_COUNT_MAX };
    const accept = (stream: Stream, connection: Connection): void => {
      const known = this.#touch(connection);
      if (known) handler(known.guest, new Libp2pLane(stream, protocol));
      else stream.abort(new Error("members do not speak it"));
    };
    await this.#options.handle(protocol, accept, limits);
  }

  async #openStream(connection: Connection, protocol: string): Promise<LaneStream> {
    this.#touch(connection);
    try {
      return new Libp2pLane(await connection.newStream(protocol, { maxOutboundStreams: STREAMS_COUNT_MAX }), protocol);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const peer = didFromPeerId(connection.remotePeer.toString());
      throw new EasynetError("LINK_CLOSED", { peer, reason }, { cause: error });
    }
  }

  #touch(connection: Connection): Known | undefined {
    const known = this.#known.get(connection.id);
    if (!known) return undefined;
    known.idle.cancel();
    known.idle = this.#options.clock.setTimer(IDLE_MS, () => this.#dismiss(connection));
    return known;
  }

  #dismiss(connection: Connection): void {
    this.leave(connection);
    connection.abort(new Error("nothing was opened for a minute"));
  }

  #identify(stream: LaneStream): void {
    const text = (value: string): Uint8Array => Buffer.from(value, "utf8");
    const message = encodeProtobuf([
      { number: 1, value: this.#options.publicKey },
      ...this.#protocols.map((protocol) => ({ number: 3, value: text(protocol) })),
      { number: 5, value: text("ipfs/0.1.0") },
      { number: 6, value: text("easynet") },
    ]);
    stream.onData(() => undefined);
    stream.send(Buffer.concat([encodeVarint(message.length), message]));
    void stream.close();
  }
}
