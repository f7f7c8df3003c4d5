import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext } from "node:tls";
import type { Did, KeyPair } from "../identity/index.ts";
import type { Clock, Logger } from "../kernel/index.ts";
import { LANES } from "../wire/index.ts";
import { LaneMuxer, WriteBuffers } from "./lane-muxer.ts";
import { issueCertificate } from "./libp2p-certificate.ts";
import { SecureConnection, secureStream } from "./secure-connection.ts";
import { SocketReads } from "./socket-reads.ts";

const URGENCIES: ReadonlyMap<string, number> = new Map(LANES.map((lane, index) => [lane, index]));

export interface StreamSecurityOptions {
  readonly keyPair: KeyPair;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface StreamToSecure {
  readonly stream: Duplex;
  readonly direction: "inbound" | "outbound";
  readonly signal: AbortSignal;
  /** Of the connection, once the far end has proved its key. */
  readonly addressOf: (remote: Did) => string;
  readonly localHost?: string | undefined;
  readonly via?: Did | undefined;
  readonly once?: boolean;
}

/** Makes connections of plain streams of bytes: TLS 1.3 between the node keys, and lanes on it. */
export class StreamSecurity {
  readonly #options: StreamSecurityOptions;
  readonly #buffers = new WriteBuffers();
  readonly #reads = new SocketReads();
  #context: SecureContext | undefined;

  constructor(options: StreamSecurityOptions) {
    this.#options = options;
  }

  /** Destroys the stream when it fails. @throws Error with a sentence */
  async secure(options: StreamToSecure): Promise<SecureConnection> {
    const { keyPair, clock, logger } = this.#options;
    const { stream, direction, signal, addressOf, localHost, via, once } = options;
    this.#context ??= createSecureContext({
      ...issueCertificate(keyPair),
      minVersion: "TLSv1.3",
      maxVersion: "TLSv1.3",
    });
    const context = this.#context;
    const { socket, remote } = await secureStream({ stream, direction, context, signal, nowMs: clock.nowMs() });
    const urgencyOf = (lane: string): number => URGENCIES.get(lane) ?? LANES.length;
    const muxer = new LaneMuxer({ socket, buffers: this.#buffers, reads: this.#reads, direction, urgencyOf });
    const remoteAddress = addressOf(remote);
    return new SecureConnection({ socket, muxer, remote, remoteAddress, localHost, via, once, direction, logger });
  }
}
