import { connect, type NatsConnection } from "@nats-io/transport-node";
import { type Channel, type Far, KINDS, type System } from "./channel.ts";

interface NatsAddress {
  readonly port: number;
  readonly ca: string;
}

export function asNatsAddress(value: unknown): NatsAddress {
  if (typeof value === "object" && value && "port" in value && "ca" in value) {
    return { port: Number(value.port), ca: String(value.ca) };
  }
  throw new Error("a NATS worker needs the server's port and certificate");
}

/** NATS core with TLS: two clients and the server, three processes. The kind travels in the subject. */
export const natsSystem = (server: NatsAddress): System => ({
  async listen(): Promise<Far> {
    return { address: server, channel: Promise.resolve(channelOf(await open(server), "near", "far")) };
  },
  async connect(): Promise<Channel> {
    return channelOf(await open(server), "far", "near");
  },
});

function open({ port, ca }: NatsAddress): Promise<NatsConnection> {
  return connect({ servers: `localhost:${port}`, tls: { ca }, noAsyncTraces: true, maxReconnectAttempts: 0 });
}

/** NATS has no back-pressure for a publisher: this much is outstanding at most, so that the server drops nobody. */
const WINDOW_BYTES = 16 * 1024 * 1024;
const WINDOW_REPORT_BYTES = 1024 * 1024;
/** The client writes when the event loop turns; of 16 KiB to 1 MiB published per turn the last was the fastest. */
const BATCH_BYTES = 1024 * 1024;

function channelOf(connection: NatsConnection, to: string, own: string): Channel {
  const subjects = new Map(Object.values(KINDS).map((kind) => [kind, `${to}.${kind}`] as const));
  const handlers: ((kind: number, body: Uint8Array) => void)[] = [];
  let sentBytes = 0;
  let confirmedBytes = 0;
  let receivedBytes = 0;
  let reportedBytes = 0;
  let waiter: (() => void) | undefined;
  const publish = (kind: number, body: Uint8Array): void => {
    connection.publish(subjects.get(asKind(kind)) ?? to, body);
  };
  connection.subscribe(`${own}.*`, {
    callback: (_error, message) => {
      const kind = Number(message.subject.slice(own.length + 1));
      if (kind === KINDS.window) {
        confirmedBytes = new DataView(message.data.buffer, message.data.byteOffset).getFloat64(0);
        waiter?.();
        return;
      }
      receivedBytes += message.data.length;
      if (receivedBytes - reportedBytes >= WINDOW_REPORT_BYTES) {
        reportedBytes = receivedBytes;
        const report = new Uint8Array(8);
        new DataView(report.buffer).setFloat64(0, receivedBytes);
        publish(KINDS.window, report);
      }
      for (const handler of handlers) handler(kind, message.data);
    },
  });
  const isOpen = (): boolean => sentBytes - confirmedBytes < WINDOW_BYTES;
  let sentAtYield = 0;
  return {
    send(kind, body) {
      publish(kind, body);
      sentBytes += body.length;
      if (sentBytes - sentAtYield < BATCH_BYTES) return isOpen();
      return false;
    },
    async drained() {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      sentAtYield = sentBytes;
      while (!isOpen()) {
        await new Promise<void>((resolve) => {
          waiter = resolve;
        });
      }
    },
    onMessage: (handler) => void handlers.push(handler),
    close: () => connection.close(),
  };
}

function asKind(kind: number): (typeof KINDS)[keyof typeof KINDS] {
  const known = Object.values(KINDS).find((one) => one === kind);
  if (known === undefined) throw new Error(`unknown kind ${kind}`);
  return known;
}
