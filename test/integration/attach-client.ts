import { once } from "node:events";
import { type RawData, WebSocket } from "ws";
import {
  LOCAL_SUBPROTOCOLS,
  LOCAL_WEBSOCKET_PATH,
  type NodeMessage,
  nodeMessageSchema,
  parseJson,
  type ProcessMessage,
  stringifyJson,
} from "../../packages/easynet/src/node/index.ts";
import { decodeValue, encodeValue } from "../../packages/easynet/src/wire/index.ts";
import { TOKEN } from "./gateway-client.ts";

type Of<Type extends NodeMessage["type"]> = Extract<NodeMessage, { type: Type }>;

/** The process's side of the attach protocol, as plain as possible: messages go out and wait in a list to be taken. */
export class AttachClient {
  readonly socket: WebSocket;
  readonly #received: NodeMessage[] = [];
  readonly #binary: boolean;
  #wake: () => void = () => undefined;
  closed: { code: number } | undefined;

  private constructor(socket: WebSocket, binary: boolean) {
    this.socket = socket;
    this.#binary = binary;
    socket.on("message", (data: RawData, isBinary) => {
      const bytes = Buffer.isBuffer(data) ? data : Buffer.concat(Array.isArray(data) ? data : [new Uint8Array(data)]);
      const message = isBinary ? decodeValue(bytes) : parseJson(bytes.toString("utf8"));
      this.#received.push(nodeMessageSchema.parse(message));
      this.#wake();
    });
    socket.on("close", (code) => {
      this.closed = { code };
      this.#wake();
    });
    socket.on("error", () => undefined);
  }

  /** Connected, but not yet greeted. */
  static async connect(url: string, protocol: keyof typeof LOCAL_SUBPROTOCOLS = "json"): Promise<AttachClient> {
    const socket = new WebSocket(url.replace("http", "ws") + LOCAL_WEBSOCKET_PATH, LOCAL_SUBPROTOCOLS[protocol]);
    const client = new AttachClient(socket, protocol === "msgpack");
    await once(socket, "open");
    return client;
  }

  static async open(url: string, protocol: keyof typeof LOCAL_SUBPROTOCOLS = "json"): Promise<AttachClient> {
    const client = await AttachClient.connect(url, protocol);
    client.send({ type: "hello", protocol: 1, token: TOKEN, client: "test" });
    await client.take("welcome");
    return client;
  }

  send(message: ProcessMessage): void {
    this.sendRaw(this.#binary ? encodeValue(message) : stringifyJson(message));
  }

  sendRaw(data: string | Uint8Array): void {
    this.socket.send(data);
  }

  /** The next message of a type; others before it stay in the list. Rejects when the connection closes first. */
  async take<Type extends NodeMessage["type"]>(type: Type): Promise<Of<Type>> {
    for (;;) {
      const index = this.#received.findIndex((message) => message.type === type);
      const [found] = index < 0 ? [] : this.#received.splice(index, 1);
      if (found && isOf(found, type)) return found;
      if (this.closed) throw new Error(`closed with ${this.closed.code} while waiting for ${type}`);
      await this.#changed();
    }
  }

  async untilClosed(): Promise<number> {
    while (!this.closed) await this.#changed();
    return this.closed.code;
  }

  /** The messages of a type that have arrived and were not taken. */
  waiting(type: NodeMessage["type"]): number {
    return this.#received.filter((message) => message.type === type).length;
  }

  close(): void {
    this.socket.close();
  }

  async #changed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

function isOf<Type extends NodeMessage["type"]>(message: NodeMessage, type: Type): message is Of<Type> {
  return message.type === type;
}

/** Turns of the event loop until `condition` holds; the test's own time limit is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** Everything an async iterable gives. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
