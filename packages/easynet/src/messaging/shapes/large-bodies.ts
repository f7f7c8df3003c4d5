import type { Did } from "../../identity/index.ts";
import { type Clock, createId, EasynetError, type Logger, toEasynetError } from "../../kernel/index.ts";
import type { Artifacts } from "../artifacts/types.ts";
import type { OutgoingMessage, SentMessage } from "../delivery/types.ts";
import { decodeReference, encodeReference } from "./body-codec.ts";
import {
  BODY_GRACE_MS,
  BODY_RETRY_MS,
  INLINE_BYTES_MAX,
  INLINE_VOLATILE_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  PACKING_BYTES_MAX,
} from "./limits.ts";
import { type Received, withFields } from "./received.ts";

const EXPIRES_IN_MS = 300_000;
/** What may pass while the message lives: its sender is away, or the store is full for a while. */
const PASSING = new Set(["ARTIFACT_NOT_FOUND", "ARTIFACT_UNREACHABLE", "OVERLOADED", "ARTIFACTS_FULL", "STORAGE_FULL"]);

export interface LargeBodiesOptions {
  readonly artifacts: Pick<Artifacts, "put" | "fetch" | "open">;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Send = (message: OutgoingMessage) => SentMessage;

interface Line {
  readonly last: Promise<void>;
}

/**
 * Bodies that are too large for a message travel as artifacts: the message holds the address, and its receiver fetches
 * the bytes on the bulk lane of a link, so that nothing else waits for them. Messages of one receiver and priority leave
 * in the order in which they were sent, also behind one whose body is still being written.
 */
export class LargeBodies {
  readonly #options: LargeBodiesOptions;
  /** Receivers and priorities with a message that is not gone yet. */
  readonly #lines = new Map<string, Line>();
  /** One artifact for all receivers of a message. */
  readonly #packing = new WeakMap<Uint8Array, Promise<Uint8Array>>();
  #waitingBytes = 0;
  #closed = false;

  constructor(options: LargeBodiesOptions) {
    this.#options = options;
  }

  /**
   * Sends it now, or when its body is an artifact and those before it have left.
   * @param onFailed told when it does not leave after all
   * @throws {EasynetError} MESSAGE_TOO_LARGE, BACKPRESSURE, and what `send` throws
   */
  send(to: Did, message: OutgoingMessage, { send, onFailed }: SendOptions): SentMessage {
    const { priority = "normal", payload } = message;
    const line = `${to} ${priority}`;
    const before = this.#lines.get(line);
    const isLarge = this.isLarge(message);
    if (!before && !isLarge) return send(message);
    if (payload.length > MESSAGE_BYTES_MAX) {
      throw new EasynetError("MESSAGE_TOO_LARGE", { bytes: payload.length, bytesMax: MESSAGE_BYTES_MAX });
    }
    // The body that several receivers get is in memory once.
    const length = this.#packing.has(payload) ? 0 : payload.length;
    if (this.#waitingBytes + length > PACKING_BYTES_MAX) {
      throw new EasynetError("BACKPRESSURE", { peer: to, bytes: this.#waitingBytes, lane: priority });
    }
    this.#waitingBytes += length;
    const id = message.id ?? createId(this.#options.clock.nowMs());
    const sent = this.#sendLater({ ...message, id }, { before: before?.last, send });
    const last: Line = {
      last: sent.then(
        () => this.#left(line, { last, length }),
        (thrown: unknown) => {
          this.#left(line, { last, length });
          if (!this.#closed)
            this.#options.logger.warn("a message did not leave", { kind: message.kind, error: thrown });
          onFailed?.(toEasynetError(thrown));
        },
      ),
    };
    this.#lines.set(line, last);
    return {
      id,
      get stored() {
        return sent.then(({ stored }) => stored);
      },
      get acknowledged() {
        return sent.then(({ acknowledged }) => acknowledged);
      },
    };
  }

  isLarge({ payload, durability }: OutgoingMessage): boolean {
    return payload.length > (durability === "volatile" ? INLINE_VOLATILE_BYTES_MAX : INLINE_BYTES_MAX);
  }

  /**
   * The message with its body, fetched from its sender or whoever else has it, for as long as the message lives.
   * @throws {EasynetError} PAYLOAD_INVALID, MESSAGE_TOO_LARGE, MESSAGE_EXPIRED, NODE_STOPPING, and what is wrong with the
   * artifact
   */
  async whole(received: Received): Promise<Received> {
    const reference = decodeReference(received.kind, received.payload);
    if (!reference) return received;
    const { cid, bytes } = reference;
    if (bytes > MESSAGE_BYTES_MAX) {
      throw new EasynetError("MESSAGE_TOO_LARGE", { bytes, bytesMax: MESSAGE_BYTES_MAX });
    }
    const { artifacts } = this.#options;
    const expiresAtMs = received.expiresAtMs + BODY_GRACE_MS;
    const options = { from: [received.sender], bytesMax: MESSAGE_BYTES_MAX, expiresAtMs };
    await this.#retrying(received, () => artifacts.fetch(cid, options));
    const parts: Uint8Array[] = [];
    for await (const part of artifacts.open(cid)) parts.push(part);
    return withFields(received, { payload: Buffer.concat(parts) });
  }

  close(): void {
    this.#closed = true;
  }

  async #sendLater(
    message: OutgoingMessage,
    { before, send }: { readonly before: Promise<void> | undefined; readonly send: Send },
  ): Promise<SentMessage> {
    const { clock } = this.#options;
    const { payload, expiresInMs = EXPIRES_IN_MS } = message;
    const bornAtMs = clock.monotonicMs();
    const packed = this.isLarge(message) ? this.#pack(payload, expiresInMs) : Promise.resolve(payload);
    // Whoever waits below hears of it.
    packed.catch(() => undefined);
    await before;
    const body = await packed;
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    return send({ ...message, payload: body, expiresInMs: expiresInMs - (clock.monotonicMs() - bornAtMs) });
  }

  #pack(body: Uint8Array, expiresInMs: number): Promise<Uint8Array> {
    const known = this.#packing.get(body);
    if (known) return known;
    const { artifacts, clock } = this.#options;
    const expiresAtMs = clock.nowMs() + expiresInMs + BODY_GRACE_MS;
    const packed = artifacts.put([body], { expiresAtMs }).then((report) => encodeReference(body, report));
    this.#packing.set(body, packed);
    return packed;
  }

  #left(line: string, { last, length }: { readonly last: Line; readonly length: number }): void {
    this.#waitingBytes -= length;
    if (this.#lines.get(line) === last) this.#lines.delete(line);
  }

  async #retrying(received: Received, attempt: () => Promise<unknown>): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
      try {
        await attempt();
        return;
      } catch (thrown) {
        const error = toEasynetError(thrown);
        if (!PASSING.has(error.code) || clock.nowMs() + BODY_RETRY_MS >= received.expiresAtMs) throw error;
      }
      await new Promise<void>((resolve) => {
        clock.setTimer(BODY_RETRY_MS, resolve);
      });
    }
  }
}

interface SendOptions {
  readonly send: Send;
  readonly onFailed?: ((error: EasynetError) => void) | undefined;
}
