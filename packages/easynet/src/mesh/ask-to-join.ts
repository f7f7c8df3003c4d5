import type { Did } from "../identity/index.ts";
import { type Clock, EasynetError, startDeadline, toEasynetError } from "../kernel/index.ts";
import { type Frame, FRAME_TYPES, FrameReader, HELLO_BYTES_MAX } from "../wire/index.ts";
import type { Fabric, FabricConnection, LaneStream } from "./fabric.ts";
import { decodeGoodbye } from "./hello.ts";
import { LaneSender } from "./lane-sender.ts";

export interface AskToJoinOptions {
  /** Started; of the machine that wants to join, which proves its key with it. */
  readonly fabric: Fabric;
  readonly address: string;
  /** The key that has to answer; any when undefined. */
  readonly expected: Did | undefined;
  readonly request: Uint8Array;
  readonly clock: Clock;
  /** From the first byte to the answer, ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const REQUEST_QUEUE_BYTES_MAX = 2 * HELLO_BYTES_MAX;

/**
 * Says one `join-request` to a node of a network that we are not in, and resolves with its `join-answer`. Nothing is
 * said before the other end has proved the expected key.
 * @throws {EasynetError} PEER_UNREACHABLE, DEADLINE_EXCEEDED, or what the other end refused us with
 */
export async function askToJoin(options: AskToJoinOptions): Promise<{ readonly by: Did; readonly answer: Uint8Array }> {
  const { fabric, address, expected, clock, timeoutMs, signal } = options;
  using deadline = startDeadline({ clock, subject: `The answer of ${address}`, timeoutMs, signal });
  const connection = await fabric.dial(address, { signal: deadline.signal });
  try {
    if (expected !== undefined && connection.remote !== expected) {
      throw new EasynetError("PEER_UNREACHABLE", { peer: address, reason: "another key answered" });
    }
    const answer = await exchange(connection, options.request, deadline.signal);
    return { by: connection.remote, answer };
  } catch (error) {
    connection.abort(new Error("the request to join failed"));
    throw toEasynetError(error);
  } finally {
    void connection.close();
  }
}

async function exchange(connection: FabricConnection, request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  // It may fail before anybody waits for it.
  promise.catch(() => undefined);
  const peer = connection.remote;
  const closed = (error?: Error): void => {
    const reason = error?.message ?? "it closed the connection";
    reject(error ?? new EasynetError("PEER_UNREACHABLE", { peer, reason }));
  };
  connection.onClose(closed);
  signal.addEventListener("abort", () => reject(toEasynetError(signal.reason)), { once: true });
  const stream = await connection.openLane("control");
  const sender = new LaneSender({
    lane: "control",
    peer,
    windowBytes: Infinity,
    queueBytesMax: REQUEST_QUEUE_BYTES_MAX,
    onFailure: reject,
  });
  listen(stream, peer, { resolve, reject });
  stream.onClose(closed);
  sender.attach(stream);
  sender.send({ lane: "control", type: FRAME_TYPES["join-request"], body: request });
  sender.flush();
  return promise;
}

function listen(
  stream: LaneStream,
  peer: Did,
  outcome: { readonly resolve: (answer: Uint8Array) => void; readonly reject: (error: unknown) => void },
): void {
  const onFrame = (frame: Frame): void => {
    if (frame.type === FRAME_TYPES["join-answer"]) outcome.resolve(Uint8Array.from(frame.body));
    else if (frame.type === FRAME_TYPES.goodbye) outcome.reject(decodeGoodbye(frame.body, peer));
    else outcome.reject(new EasynetError("FRAME_MALFORMED", { reason: `frame type ${frame.type} answers no request` }));
  };
  const reader = new FrameReader({ lane: "control", bytesMax: HELLO_BYTES_MAX, onFrame });
  stream.onData((chunk) => {
    try {
      reader.push(chunk);
    } catch (error) {
      outcome.reject(error);
    }
  });
}
