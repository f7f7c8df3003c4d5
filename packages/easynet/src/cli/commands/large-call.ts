import { BoundedQueue, EasynetError, fromWireError, type WireError } from "../../kernel/index.ts";
import type { LocalClient, ServerSentEvent } from "../local-client.ts";

export interface LargeCall {
  /** Fields of the `call` message of docs/protocol/attach.md. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

/** Stream events for which credit is given at once; printing is what slows the reader down. */
const CREDIT_STEP = 32;
/** Messages that wait to be printed: a window of 64 events, and room for those that take no credit. */
const MESSAGES_COUNT_MAX = 256;
/** Limit of one message, docs/protocol/attach.md; beyond it the node closes with code 1009. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const TOO_BIG = 1009;

/**
 * A call whose arguments are too large for the HTTP API, over the WebSocket that Node brings along.
 * @throws {EasynetError} NODE_NOT_RUNNING, INPUT_TOO_LARGE, or what the node refused the connection with
 */
export async function* streamOverWebSocket(
  client: LocalClient,
  { request, signal }: LargeCall,
): AsyncGenerator<ServerSentEvent, void, void> {
  const socket = new WebSocket(`${client.run.apiUrl.replace(/^http/, "ws")}/api/ws`, "easynet.json");
  const messages = receive(socket, client.home);
  const send = (message: unknown): void => socket.send(JSON.stringify(message));
  const cancel = (): void => send({ type: "cancel", call: 1 });
  signal.addEventListener("abort", cancel, { once: true });
  try {
    await opened(socket, client.home);
    send({ type: "hello", protocol: 1, token: client.token, client: "easynet command" });
    send({ ...request, type: "call", call: 1 });
    let receivedCount = 0;
    for await (const message of messages) {
      if (message["type"] === "error") throw refused(message["error"]);
      const event = message["type"] === "event" ? message["event"] : undefined;
      if (typeof event !== "object" || event === null || !("type" in event)) continue;
      yield { type: String(event.type), data: event };
      if (event.type === "final" || event.type === "error") return;
      if (++receivedCount % CREDIT_STEP === 0) send({ type: "credit", call: 1, count: CREDIT_STEP });
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    socket.close();
  }
}

type Message = Readonly<Record<string, unknown>>;

async function opened(socket: WebSocket, home: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve(), { once: true });
    socket.addEventListener("error", () => reject(new EasynetError("NODE_NOT_RUNNING", { home })), { once: true });
  });
}

/** The messages of the node; listens from now on, so that none is missed. Ends when the connection closes. */
function receive(socket: WebSocket, home: string): AsyncIterable<Message> {
  // The node sends at most one window of events and a handful of others before it waits for credit.
  const queue = new BoundedQueue<Message>(MESSAGES_COUNT_MAX);
  socket.addEventListener("message", ({ data }) => {
    const message: unknown = JSON.parse(String(data));
    if (typeof message === "object" && message !== null) queue.push({ ...message });
  });
  socket.addEventListener("close", ({ code }) => {
    const tooLarge = new EasynetError("INPUT_TOO_LARGE", { capability: "easynet call", bytesMax: MESSAGE_BYTES_MAX });
    queue.end(code === TOO_BIG ? tooLarge : new EasynetError("NODE_NOT_RUNNING", { home }));
  });
  return queue;
}

function refused(error: unknown): EasynetError {
  if (!isWireError(error)) return new EasynetError("INTERNAL", { reason: "the node refused a message" });
  return fromWireError(error);
}

function isWireError(value: unknown): value is WireError {
  return typeof value === "object" && value !== null && "code" in value && "details" in value;
}
