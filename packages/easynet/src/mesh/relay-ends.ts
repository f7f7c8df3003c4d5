import type { Did, KeyPair } from "../identity/index.ts";
import { type Clock, EasynetError, type Logger, startDeadline } from "../kernel/index.ts";
import type { FabricConnection } from "./fabric.ts";
import { formatCircuit } from "./relay-address.ts";
import { type Leg, legKey, type RelayLimits } from "./relay-core.ts";
import type { RelayReason } from "./relay-frames.ts";
import { RelayStream } from "./relay-stream.ts";
import { StreamSecurity } from "./stream-security.ts";

/** Circuits that end at this node; a further one from others is refused. */
const ENDS_COUNT_MAX = 256;

/** What an end says to its relay. */
export interface RelayVoice {
  open(leg: Leg, target: Did): void;
  accept(leg: Leg): void;
  data(leg: Leg, bytes: Uint8Array): void;
  credit(leg: Leg, bytes: number): void;
  close(leg: Leg, reason: RelayReason): void;
}

interface End {
  readonly leg: Leg;
  readonly stream: RelayStream;
  readonly accepted: PromiseWithResolvers<void>;
}

export interface RelayEndsOptions {
  readonly keyPair: KeyPair;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: RelayLimits;
  readonly voice: RelayVoice;
  readonly onConnection: (connection: FabricConnection) => void;
}

/** The circuits that begin or end at this node, each with TLS from end to end inside. */
export class RelayEnds {
  readonly #options: RelayEndsOptions;
  readonly #ends = new Map<string, End>();
  readonly #security: StreamSecurity;

  constructor(options: RelayEndsOptions) {
    this.#options = options;
    this.#security = new StreamSecurity(options);
  }

  has(leg: Leg): boolean {
    return this.#ends.has(legKey(leg));
  }

  /** Opens a circuit over the relay's link. @throws {EasynetError} PEER_UNREACHABLE */
  async dial(leg: Leg, target: Did, signal: AbortSignal | undefined): Promise<FabricConnection> {
    const { clock, limits, voice } = this.#options;
    const timeoutMs = limits.openTimeoutMs;
    using deadline = startDeadline({ clock, subject: `The circuit through ${leg.peer}`, timeoutMs, signal });
    const end = this.#add(leg);
    try {
      voice.open(leg, target);
      await accepted(end, deadline.signal);
      const connection = await this.#secure(end, "outbound", deadline.signal);
      if (connection.remote === target) return connection;
      connection.abort(new Error("another key answered"));
      throw new Error("another key answered");
    } catch (error) {
      end.stream.destroy();
      const reason = error instanceof Error ? error.message : String(error);
      throw new EasynetError("PEER_UNREACHABLE", { peer: formatCircuit(leg.peer, target), reason }, { cause: error });
    }
  }

  /** Another member wants to reach this node; who it is shows in the handshake. */
  accept(leg: Leg): void {
    const { clock, limits, voice, logger, onConnection } = this.#options;
    if (this.#ends.size >= ENDS_COUNT_MAX || this.has(leg)) {
      voice.close(leg, "refused");
      return;
    }
    const end = this.#add(leg);
    const deadline = startDeadline({ clock, subject: "A circuit", timeoutMs: limits.openTimeoutMs });
    const connection = this.#secure(end, "inbound", deadline.signal);
    voice.accept(leg);
    connection
      .then(onConnection, (error: unknown) => {
        logger.debug("circuit refused", { relay: leg.peer, error });
        end.stream.destroy();
      })
      .finally(() => deadline[Symbol.dispose]());
  }

  onAccept(leg: Leg): void {
    this.#ends.get(legKey(leg))?.accepted.resolve();
  }

  onData(leg: Leg, body: Uint8Array): void {
    this.#ends.get(legKey(leg))?.stream.receive(body);
  }

  onCredit(leg: Leg, bytes: number): void {
    this.#ends.get(legKey(leg))?.stream.receiveCredit(bytes);
  }

  onClose(leg: Leg, reason: RelayReason): void {
    const end = this.#ends.get(legKey(leg));
    end?.accepted.reject(new Error(reason));
    end?.stream.receiveClose(reason);
  }

  /** The link that carried them is gone; without `peer` all end. */
  lose(peer?: Did): void {
    for (const { leg, stream, accepted: waiting } of this.#ends.values()) {
      if (peer !== undefined && leg.peer !== peer) continue;
      waiting.reject(new Error("the link to the relay ended"));
      stream.destroy(new Error("the link to the relay ended"));
    }
  }

  #add(leg: Leg): End {
    const { limits, voice } = this.#options;
    const key = legKey(leg);
    const stream = new RelayStream({
      windowBytes: limits.windowBytes,
      sendData: (bytes) => voice.data(leg, bytes),
      sendCredit: (bytes) => voice.credit(leg, bytes),
      onEnd: (told) => {
        this.#ends.delete(key);
        if (!told) voice.close(leg, "ended");
      },
    });
    stream.on("error", (error) => this.#options.logger.debug("circuit broke", { relay: leg.peer, error }));
    const end: End = { leg, stream, accepted: Promise.withResolvers() };
    end.accepted.promise.catch(() => undefined);
    this.#ends.set(key, end);
    return end;
  }

  #secure({ stream, leg }: End, direction: "inbound" | "outbound", signal: AbortSignal): Promise<FabricConnection> {
    const addressOf = (remote: Did): string => formatCircuit(leg.peer, remote);
    return this.#security.secure({ stream, direction, signal, addressOf, via: leg.peer });
  }
}

function accepted(end: End, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new Error("it did not answer in time"));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    end.accepted.promise.then(resolve, reject);
  });
}
