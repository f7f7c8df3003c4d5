import {
  type Clock,
  EasynetError,
  type Logger,
  type Metrics,
  repeat,
  type Timer,
  toEasynetError,
} from "../kernel/index.ts";
import type { Did } from "../identity/index.ts";
import { type Frame, FRAME_HEADER_BYTES, FRAME_TYPES, FrameReader, type Lane, LANES } from "../wire/index.ts";
import type { LaneStream } from "./fabric.ts";
import { FloodLimit } from "./flood-core.ts";
import { decodeCredit, decodePong, encodeCredit, encodePong } from "./hello.ts";
import { LaneSender } from "./lane-sender.ts";
import { Liveness } from "./liveness-core.ts";
import {
  CONTROL_BURST_COUNT_MAX,
  CONTROL_HELD_BYTES_MAX,
  CONTROL_PER_SECOND_MAX,
  type MeshConfig,
} from "./mesh-config.ts";
import type { FrameHandler, MeshFrame, OutgoingFrame } from "./types.ts";

/** Frame types below this belong to the link itself. */
const FRAME_TYPE_APPLICATION_MIN = 16;

/** @throws {EasynetError} INVALID_ARGUMENT for a type that is not one of those above the link */
export function checkApplicationType(type: number): void {
  if (Number.isInteger(type) && type >= FRAME_TYPE_APPLICATION_MIN && type <= 255) return;
  const reason = `${type} is not ${FRAME_TYPE_APPLICATION_MIN} to 255`;
  throw new EasynetError("INVALID_ARGUMENT", { subject: "A frame type", reason });
}

export interface LinkTrafficOptions {
  readonly remote: Did;
  readonly config: MeshConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The lane that the handshake used. */
  readonly control: LaneSender;
  /** Largest frame body that the peer takes. */
  readonly frameBytesMax: number;
  /** When the peer's membership ends, Unix epoch ms; the link ends with it. */
  readonly expiresAtMs: number;
  readonly handlerOf: (type: number) => FrameHandler | undefined;
  /** The peer broke the protocol, or is gone. Called once. */
  readonly onFailure: (error: EasynetError) => void;
}

interface LaneState {
  readonly sender: LaneSender;
  open: boolean;
  /** Bytes received whose handlers have not finished, and those finished but not yet given back. */
  heldBytes: number;
  consumedBytes: number;
}

/** What goes over an admitted link: frames in four lanes, windows, pings. */
export class LinkTraffic {
  rttMs: number | undefined;
  /** Wall clock of the peer minus ours, ms; undefined until the peer told it. */
  clockOffsetMs: number | undefined;
  readonly #options: LinkTrafficOptions;
  readonly #lanes: Record<Lane, LaneState>;
  readonly #liveness: Liveness;
  readonly #flood: FloodLimit;
  readonly #pings: Timer;
  readonly #readers: FrameReader[] = [];
  #suspicion: Timer | undefined;
  #heardCount = 0;
  #closed = false;

  constructor(options: LinkTrafficOptions) {
    const { clock, config } = options;
    const nowMs = clock.monotonicMs();
    this.#options = options;
    this.#lanes = {
      control: { sender: options.control, open: true, heldBytes: 0, consumedBytes: 0 },
      high: this.#lane("high"),
      normal: this.#lane("normal"),
      bulk: this.#lane("bulk"),
    };
    this.#liveness = new Liveness({ intervalMs: config.pingIntervalMs, missedMax: config.pingsMissedMax, nowMs });
    this.#flood = new FloodLimit({ burst: CONTROL_BURST_COUNT_MAX, perSecond: CONTROL_PER_SECOND_MAX, nowMs });
    this.#pings = repeat(clock, config.pingIntervalMs, () => this.#tick());
    this.#ping();
  }

  /** True when every lane has its stream. */
  get complete(): boolean {
    return LANES.every((lane) => this.#lanes[lane].open);
  }

  send(frame: OutgoingFrame): boolean {
    const { frameBytesMax: bytesMax } = this.#options;
    if (frame.body.length > bytesMax) {
      throw new EasynetError("FRAME_TOO_LARGE", { bytes: frame.body.length, bytesMax });
    }
    return this.#lanes[frame.lane].sender.send(frame);
  }

  async drained(lane: Lane): Promise<void> {
    await this.#lanes[lane].sender.drained();
  }

  /** @throws {EasynetError} FRAME_MALFORMED when the lane is open already */
  attach(lane: Lane, stream: LaneStream): void {
    const state = this.#lanes[lane];
    if (state.open) throw new EasynetError("FRAME_MALFORMED", { reason: `lane ${lane} was opened twice` });
    state.open = true;
    const reader = new FrameReader({ lane, onFrame: (frame) => this.#onFrame(state, frame) });
    this.#readers.push(reader);
    stream.onData((chunk) => this.#read(reader, chunk));
    state.sender.attach(stream);
  }

  /** Any bytes, also those of the control lane. */
  heard(): void {
    this.#heardCount++;
    this.#liveness.heard();
  }

  /** A frame of the control lane, after the handshake. @throws {EasynetError} FRAME_MALFORMED, OVERLOADED */
  onControl(frame: Frame): void {
    if (!this.#flood.take(this.#options.clock.monotonicMs())) {
      throw new EasynetError("OVERLOADED", { subject: "The control lane", queued: CONTROL_BURST_COUNT_MAX });
    }
    switch (frame.type) {
      case FRAME_TYPES.ping:
        this.#sendControl(FRAME_TYPES.pong, frame.correlation, encodePong(this.#options.clock.nowMs()));
        return;
      case FRAME_TYPES.pong:
        this.#onPong(frame);
        return;
      case FRAME_TYPES.credit: {
        const { lane, bytes } = decodeCredit(frame.body);
        const name = LANES[lane];
        if (name && name !== "control") this.#lanes[name].sender.credit(bytes);
        return;
      }
      default:
        this.#onFrame(this.#lanes.control, frame);
    }
  }

  /** The link is probably dead: unless something arrives soon, it is closed. */
  suspect(): void {
    if (this.#suspicion || this.#closed) return;
    const { clock, config } = this.#options;
    const before = this.#heardCount;
    const startedAtMs = clock.monotonicMs();
    this.#ping();
    this.#suspicion = clock.setTimer(config.suspectTimeoutMs, () => {
      this.#suspicion = undefined;
      if (this.#heardCount !== before) return;
      // Our own loop slept: what the peer sent may wait unread.
      if (clock.monotonicMs() - startedAtMs > 1.5 * config.suspectTimeoutMs) this.suspect();
      else this.#fail("it did not answer when it was asked whether it lives");
    });
  }

  close(error: EasynetError): void {
    this.#closed = true;
    this.#pings.cancel();
    this.#suspicion?.cancel();
    for (const reader of this.#readers) reader.close();
    for (const lane of LANES) if (lane !== "control") this.#lanes[lane].sender.close(error);
  }

  #lane(lane: Lane): LaneState {
    const { remote, config, onFailure } = this.#options;
    const { laneWindowBytes: windowBytes, laneQueueBytesMax: queueBytesMax } = config;
    const sender = new LaneSender({ lane, peer: remote, windowBytes, queueBytesMax, onFailure });
    return { sender, open: false, heldBytes: 0, consumedBytes: 0 };
  }

  #read(reader: FrameReader, chunk: Uint8Array): void {
    this.heard();
    try {
      reader.push(chunk);
    } catch (error) {
      this.#options.onFailure(toEasynetError(error));
    }
  }

  #onFrame(state: LaneState, frame: Frame): void {
    if (this.#closed) return;
    if (frame.type < FRAME_TYPE_APPLICATION_MIN) {
      throw new EasynetError("FRAME_MALFORMED", {
        reason: `frame type ${frame.type} has no place on lane ${frame.lane}`,
      });
    }
    const bytes = FRAME_HEADER_BYTES + frame.body.length;
    const heldMax = frame.lane === "control" ? CONTROL_HELD_BYTES_MAX : this.#options.config.laneWindowBytes;
    state.heldBytes += bytes;
    if (state.heldBytes > heldMax) {
      throw new EasynetError("FRAME_TOO_LARGE", { bytes: state.heldBytes, bytesMax: heldMax });
    }
    const finished = this.#deliver(frame);
    if (finished === undefined) this.#consume(state, frame.lane, bytes);
    else void finished.finally(() => this.#consume(state, frame.lane, bytes));
  }

  /** A promise when the handler has not finished; it never rejects. */
  #deliver(frame: Frame): Promise<void> | undefined {
    const { remote, handlerOf, metrics } = this.#options;
    const handler = handlerOf(frame.type);
    if (!handler) {
      metrics.count("easynet_frames_unhandled_total");
      return undefined;
    }
    const { lane, type, sequence, correlation, flags, body } = frame;
    const incoming: MeshFrame = { from: remote, lane, type, sequence, correlation, flags, body };
    try {
      const finished = handler(incoming);
      return finished instanceof Promise
        ? finished.catch((error: unknown) => this.#onHandlerError(type, error))
        : undefined;
    } catch (error) {
      this.#onHandlerError(type, error);
      return undefined;
    }
  }

  #onHandlerError(type: number, error: unknown): void {
    this.#options.metrics.count("easynet_frame_handler_errors_total");
    this.#options.logger.error("frame handler failed", { type, peer: this.#options.remote, error });
  }

  #consume(state: LaneState, lane: Lane, bytes: number): void {
    if (lane === "control") {
      state.heldBytes -= bytes;
      return;
    }
    state.consumedBytes += bytes;
    if (this.#closed || state.consumedBytes < this.#options.config.laneWindowBytes / 4) return;
    // BEFORE the frame leaves: what comes back may use the window at once.
    state.heldBytes -= state.consumedBytes;
    const credit = encodeCredit(LANES.indexOf(lane), state.consumedBytes);
    state.consumedBytes = 0;
    this.#sendControl(FRAME_TYPES.credit, 0, credit);
  }

  #tick(): void {
    const { clock, expiresAtMs, remote, onFailure } = this.#options;
    if (clock.nowMs() >= expiresAtMs) {
      onFailure(new EasynetError("MEMBERSHIP_INVALID", { peer: remote, reason: "it has expired" }));
      return;
    }
    if (this.#liveness.tick(this.#options.clock.monotonicMs()) === "dead") {
      this.#fail(`it sent nothing for ${this.#liveness.missedCount} ping intervals`);
    } else {
      this.#ping();
    }
  }

  #ping(): void {
    this.#sendControl(FRAME_TYPES.ping, this.#liveness.ping(this.#options.clock.monotonicMs()));
  }

  #onPong({ correlation, body }: Frame): void {
    const { clock } = this.#options;
    const rttMs = this.#liveness.pong(correlation, clock.monotonicMs());
    if (rttMs === undefined) return;
    this.rttMs = rttMs;
    const wallMs = decodePong(body);
    if (wallMs !== undefined) this.clockOffsetMs = wallMs + rttMs / 2 - clock.nowMs();
  }

  #sendControl(type: number, correlation: number, body: Uint8Array = NO_BODY): void {
    if (this.#closed) return;
    try {
      this.#lanes.control.sender.send({ lane: "control", type, correlation, body });
    } catch (error) {
      this.#options.onFailure(toEasynetError(error));
    }
  }

  #fail(reason: string): void {
    this.#options.onFailure(new EasynetError("LINK_CLOSED", { peer: this.#options.remote, reason }));
  }
}

const NO_BODY = new Uint8Array(0);
