import type { Did } from "../identity/index.ts";
import {
  type Clock,
  EasynetError,
  isEasynetError,
  type Logger,
  type Metrics,
  type Timer,
  toEasynetError,
} from "../kernel/index.ts";
import {
  type Frame,
  FRAME_BYTES_MAX,
  FRAME_TYPES,
  FrameReader,
  HELLO_BYTES_MAX,
  type Lane,
  LANES,
} from "../wire/index.ts";
import type { FabricConnection, LaneStream } from "./fabric.ts";
import { Handshake, type HandshakeEffect, type HandshakeInput, type RefusalReason } from "./handshake-core.ts";
import { decodeGoodbye, decodeHello, decodeWelcome, encodeGoodbye, encodeHello, encodeWelcome } from "./hello.ts";
import type { Hello } from "./hello.ts";
import { LaneSender } from "./lane-sender.ts";
import { LinkTraffic } from "./link-traffic.ts";
import type { MeshConfig } from "./mesh-config.ts";
import type { FrameHandler, OutgoingFrame, Peer } from "./types.ts";

/** Whether a link may be, asked after the membership was verified and before our welcome commits us. */
export type Decision =
  | { readonly keep: true }
  | { readonly keep: false; readonly reason: RefusalReason; readonly error: EasynetError };

export interface LinkOptions {
  readonly connection: FabricConnection;
  readonly config: MeshConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** What we say of ourselves. */
  readonly hello: () => Hello;
  /** Rejects unless the bytes make `remote` a member; says until when. */
  readonly verifyMember: (membership: Uint8Array, remote: Did) => Promise<{ readonly expiresAtMs: number }>;
  readonly decide: (link: Link, hello: Hello) => Decision;
  readonly onAdmitted: (link: Link) => void;
  /** Called once, admitted or not. */
  readonly onClosed: (link: Link, error: EasynetError) => void;
  readonly handlerOf: (type: number) => FrameHandler | undefined;
  /** Answers a request to join; without it such a request is refused like any other early frame. */
  readonly answerStranger?: ((body: Uint8Array) => Promise<Uint8Array>) | undefined;
}

type State = "greeting" | "admitted" | "closed";

/** One connection from its first byte to its end: handshake, then frames. */
export class Link {
  readonly remote: Did;
  readonly direction: "inbound" | "outbound";
  readonly #options: LinkOptions;
  readonly #handshake: Handshake;
  readonly #control: LaneSender;
  readonly #reader: FrameReader;
  #state: State = "greeting";
  #hello: Hello | undefined;
  #peer: Peer | undefined;
  #traffic: LinkTraffic | undefined;
  readonly #connected = { atMs: 0 };
  #controlOpen = false;
  #welcomeOverdue = false;
  /** When the membership that the peer showed ends, Unix epoch ms. */
  #expiresAtMs = 0;
  #deadline: Timer | undefined;
  #closing: Timer | undefined;
  readonly #ended = Promise.withResolvers<void>();

  constructor(options: LinkOptions) {
    const { connection, config } = options;
    this.#options = options;
    this.remote = connection.remote;
    this.direction = connection.direction;
    this.#handshake = new Handshake({
      role: this.direction === "outbound" ? "dialler" : "acceptor",
      network: options.hello().network,
      remote: this.remote,
    });
    this.#control = new LaneSender({
      lane: "control",
      peer: this.remote,
      windowBytes: Infinity,
      queueBytesMax: config.laneQueueBytesMax,
      onFailure: (error) => this.drop(error),
    });
    const onFrame = (frame: Frame): void => this.#onControl(frame);
    this.#reader = new FrameReader({ lane: "control", bytesMax: HELLO_BYTES_MAX, onFrame });
  }

  /** What the peer said of itself; defined once it is admitted. */
  get hello(): Hello | undefined {
    return this.#hello;
  }

  /** Defined once admitted. Its `rttMs` follows the pings. */
  get peer(): Peer | undefined {
    return this.#peer;
  }

  /** For those above the link: since when nothing was lost. Unix epoch ms. */
  set connectedAtMs(atMs: number) {
    this.#connected.atMs = atMs;
  }

  /** Of the other end, as the connection has it. */
  get address(): string {
    return this.#options.connection.remoteAddress;
  }

  get addressDialled(): string | undefined {
    const { remoteAddress, once } = this.#options.connection;
    return this.direction === "outbound" && !this.relayed && !once ? remoteAddress : undefined;
  }

  get localHost(): string | undefined {
    return this.#options.connection.localHost;
  }

  /** True when another member carries it. */
  get relayed(): boolean {
    return this.#options.connection.via !== undefined;
  }

  /** Resolves when the connection is gone, at the latest `closeTimeoutMs` after `close`. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Starts the handshake. To be called in the turn in which the connection arrived. */
  start(): void {
    const { connection, clock, config } = this.#options;
    const { helloTimeoutMs: timeoutMs } = config;
    this.#deadline = clock.setTimer(timeoutMs, () => this.#step({ kind: "timeout", timeoutMs }));
    connection.onLane((lane, stream) => this.#onLane(lane, stream));
    connection.onClose((error) => this.#onConnectionClosed(error));
    if (this.direction === "inbound") return;
    connection.openLane("control").then(
      (stream) => {
        if (this.#state !== "greeting") return;
        this.#openControl(stream);
        this.#step({ kind: "opened" });
      },
      (error: unknown) => this.drop(toEasynetError(error)),
    );
  }

  /** @throws {EasynetError} BACKPRESSURE, FRAME_TOO_LARGE, LINK_CLOSED */
  send(frame: OutgoingFrame): boolean {
    if (!this.#traffic || this.#state !== "admitted") throw this.#closedError("it is not open");
    return this.#traffic.send(frame);
  }

  async drained(lane: Lane): Promise<void> {
    if (!this.#traffic || this.#state !== "admitted") throw this.#closedError("it is not open");
    await this.#traffic.drained(lane);
  }

  /** Finds out soon whether the other end still lives. */
  suspect(): void {
    this.#traffic?.suspect();
  }

  /** Tells the peer why, unless the control lane is full, lets that leave, and closes. */
  close(error: EasynetError): void {
    if (this.#state === "closed") return;
    if (this.#controlOpen) {
      try {
        this.#control.send({ lane: "control", type: FRAME_TYPES.goodbye, body: encodeGoodbye(error) });
        this.#control.flush();
      } catch (failure) {
        this.#options.logger.debug("goodbye not sent", { peer: this.remote, error: failure });
      }
    }
    this.#finish(error);
    this.#closeConnection();
  }

  /** Ends without a word: the connection is of no use. */
  drop(error: EasynetError): void {
    if (this.#state === "closed") return;
    this.#finish(error);
    this.#options.connection.abort(error);
  }

  #closeConnection(): void {
    const { connection, clock, config } = this.#options;
    this.#closing = clock.setTimer(config.closeTimeoutMs, () => {
      connection.abort(new Error("it did not close in time"));
      this.#ended.resolve();
    });
    connection.close().catch((error: unknown) => {
      this.#options.logger.debug("connection not closed", { peer: this.remote, error });
    });
  }

  #finish(error: EasynetError): void {
    this.#state = "closed";
    this.#deadline?.cancel();
    this.#reader.close();
    this.#traffic?.close(error);
    this.#control.close(error);
    this.#options.onClosed(this, error);
  }

  #onConnectionClosed(error: Error | undefined): void {
    this.#closing?.cancel();
    this.#ended.resolve();
    if (this.#state === "closed") return;
    this.#finish(isEasynetError(error) ? error : this.#closedError(error?.message ?? "the connection ended"));
  }

  #onLane(name: string, stream: LaneStream): void {
    if (this.#state === "closed") {
      stream.abort(new Error("the link is closed"));
      return;
    }
    if (name === "control" && this.direction === "inbound" && !this.#controlOpen) {
      this.#openControl(stream);
      return;
    }
    if (!this.#handshake.admitted) this.#step({ kind: "lane" });
    const lane = LANES.find((known) => known === name);
    if (this.#traffic && lane && this.direction === "inbound") this.#attach(lane, stream);
    else stream.abort(new Error("no such lane is expected"));
  }

  #openControl(stream: LaneStream): void {
    this.#controlOpen = true;
    stream.onData((chunk) => this.#read(chunk));
    stream.onClose((error) => this.#onConnectionClosed(error));
    this.#control.attach(stream);
  }

  #attach(lane: Lane, stream: LaneStream): void {
    stream.onClose((error) => this.#onLaneClosed(lane, error));
    this.#guard(() => this.#traffic?.attach(lane, stream));
    if (this.#traffic?.complete) this.#deadline?.cancel();
  }

  /** A lane that ends alone has lost frames: the link ends with it. */
  #onLaneClosed(lane: Lane, error: Error | undefined): void {
    if (this.#state === "closed") return;
    const reason = `lane ${lane} ended${error ? `: ${error.message}` : ""}`;
    // When the whole connection ends, its lanes end first: let it tell the reason.
    queueMicrotask(() => this.drop(this.#closedError(reason)));
  }

  #read(chunk: Uint8Array): void {
    this.#traffic?.heard();
    this.#guard(() => this.#reader.push(chunk));
  }

  #onControl(frame: Frame): void {
    if (frame.type === FRAME_TYPES.goodbye) {
      const error = decodeGoodbye(frame.body, this.remote);
      this.#finish(error);
      this.#closeConnection();
    } else if (this.#traffic) {
      // The lane that admitted us may have overtaken the welcome.
      if (frame.type === FRAME_TYPES.welcome && this.#welcomeOverdue) this.#welcomeOverdue = false;
      else this.#traffic.onControl(frame);
    } else if (frame.type === FRAME_TYPES.hello) {
      this.#step({ kind: "hello", hello: decodeHello(frame.body) });
    } else if (frame.type === FRAME_TYPES.welcome) {
      this.#step({ kind: "welcome", version: decodeWelcome(frame.body) });
    } else if (frame.type === FRAME_TYPES["join-request"] && this.#options.answerStranger) {
      this.#step({ kind: "join-request", body: Uint8Array.from(frame.body) });
    } else {
      const error = new EasynetError("FRAME_MALFORMED", {
        reason: `frame type ${frame.type} came before the admission`,
      });
      this.#step({ kind: "refused", reason: "unexpected-frame", error });
    }
  }

  /** Whatever the peer sent that cannot be read ends the link with the reason. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (thrown) {
      const error = toEasynetError(thrown);
      if (this.#handshake.admitted) this.#break(error);
      else this.#step({ kind: "refused", reason: "malformed", error });
    }
  }

  /** The peer is gone or did what the protocol forbids. */
  #break(error: EasynetError): void {
    if (this.#state === "closed") return;
    const causes: Partial<Record<string, string>> = { LINK_CLOSED: "silent", MEMBERSHIP_INVALID: "membership" };
    const cause = causes[error.code] ?? "protocol";
    this.#options.metrics.count("easynet_links_broken_total", { cause });
    this.close(error);
  }

  #step(input: HandshakeInput): void {
    if (input.kind === "timeout" && this.#state === "admitted") {
      this.close(this.#closedError("it did not open all lanes in time"));
      return;
    }
    try {
      for (const effect of this.#handshake.step(input)) this.#perform(effect, input);
    } catch (error) {
      // A fault of ours: it costs this link, never the process.
      this.#options.logger.error("handshake failed", { peer: this.remote, error });
      this.drop(toEasynetError(error));
    }
  }

  #perform(effect: HandshakeEffect, input: HandshakeInput): void {
    if (this.#state === "closed") return;
    switch (effect.kind) {
      case "send-hello":
        this.#control.send({ lane: "control", type: FRAME_TYPES.hello, body: encodeHello(this.#options.hello()) });
        return;
      case "answer-stranger":
        this.#answerStranger(effect.body);
        return;
      case "send-welcome":
        this.#control.send({ lane: "control", type: FRAME_TYPES.welcome, body: encodeWelcome(effect.version) });
        return;
      case "verify":
        this.#verify(effect.membership);
        return;
      case "decide": {
        const decision = this.#options.decide(this, effect.hello);
        this.#step(decision.keep ? { kind: "kept" } : { kind: "refused", ...decision });
        return;
      }
      case "admit":
        this.#welcomeOverdue = input.kind === "lane";
        this.#admit(effect.hello);
        return;
      case "refuse":
        this.#options.metrics.count("easynet_links_refused_total", { reason: effect.reason });
        this.close(effect.error);
        return;
    }
  }

  /** Says one frame and closes, whatever the answer is; the time of a hello bounds the wait for it. */
  #answerStranger(request: Uint8Array): void {
    const late = new EasynetError("DEADLINE_EXCEEDED", {
      subject: "The answer to a request to join",
      timeoutMs: this.#options.config.helloTimeoutMs,
    });
    this.#deadline?.cancel();
    this.#deadline = this.#options.clock.setTimer(this.#options.config.helloTimeoutMs, () => this.close(late));
    const answered = this.#options.answerStranger?.(request) ?? Promise.reject(late);
    answered.then(
      (body) => {
        if (this.#state === "closed") return;
        this.#control.send({ lane: "control", type: FRAME_TYPES["join-answer"], body });
        this.close(this.#closedError("the request to join was answered"));
      },
      (thrown: unknown) => {
        const error = toEasynetError(thrown);
        if (error.code === "INTERNAL") this.#options.logger.error("join request not answered", { error });
        this.close(error.code === "INTERNAL" ? this.#closedError("the request to join failed") : error);
      },
    );
  }

  #verify(membership: Uint8Array): void {
    this.#options.verifyMember(membership, this.remote).then(
      ({ expiresAtMs }) => {
        this.#expiresAtMs = expiresAtMs;
        this.#step({ kind: "verified" });
      },
      (error: unknown) => this.#step({ kind: "rejected", error: this.#membershipError(error) }),
    );
  }

  /** What went wrong inside us is not told to strangers. */
  #membershipError(error: unknown): EasynetError {
    if (isEasynetError(error) && error.code !== "INTERNAL") return error;
    this.#options.logger.error("membership not verified", { peer: this.remote, error });
    return new EasynetError("MEMBERSHIP_INVALID", { peer: this.remote, reason: "it could not be verified" });
  }

  #admit(hello: Hello): void {
    const { connection, clock, config, logger, metrics, handlerOf } = this.#options;
    this.#state = "admitted";
    this.#hello = hello;
    this.#reader.bytesMax = FRAME_BYTES_MAX;
    const onFailure = (error: EasynetError): void => this.#break(error);
    const { remote } = this;
    const connected = this.#connected;
    connected.atMs = clock.nowMs();
    const traffic = new LinkTraffic({
      remote,
      config,
      clock,
      logger,
      metrics,
      control: this.#control,
      frameBytesMax: hello.frameBytesMax,
      expiresAtMs: this.#expiresAtMs,
      handlerOf,
      onFailure,
    });
    this.#traffic = traffic;
    this.#peer = {
      did: remote,
      name: hello.name,
      address: connection.remoteAddress,
      via: connection.via,
      direction: this.direction,
      get connectedAtMs() {
        return connected.atMs;
      },
      epoch: hello.epoch,
      get rttMs() {
        return traffic.rttMs;
      },
      get clockOffsetMs() {
        return traffic.clockOffsetMs;
      },
    };
    if (this.direction === "outbound") this.#openLanes();
    this.#options.onAdmitted(this);
  }

  #openLanes(): void {
    for (const lane of LANES) {
      if (lane === "control") continue;
      this.#options.connection.openLane(lane).then(
        (stream) => {
          if (this.#state === "admitted") this.#attach(lane, stream);
          else stream.abort(new Error("the link is closed"));
        },
        (error: unknown) => this.drop(toEasynetError(error)),
      );
    }
  }

  #closedError(reason: string): EasynetError {
    return new EasynetError("LINK_CLOSED", { peer: this.remote, reason });
  }
}
