import { AckPolicy, jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { type Consumer, fieldOf, type Publisher, type System } from "./system.ts";

const STREAM = "bench";
const SUBJECT = "bench.one";
const PENDING_COUNT_MAX = 4096;

/** NATS JetStream with file storage and a durable pull consumer that acknowledges each message, which is the default. */
export const natsSystem: System = {
  async consume(server, handle): Promise<Consumer> {
    const connection = await open(server);
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: STREAM, subjects: [SUBJECT], storage: StorageType.File, num_replicas: 1 });
    const policy = { ack_policy: AckPolicy.Explicit, max_ack_pending: PENDING_COUNT_MAX };
    await manager.consumers.add(STREAM, { durable_name: "one", ...policy });
    const consumer = await jetstream(connection).consumers.get(STREAM, "one");
    await consumer.consume({
      max_messages: PENDING_COUNT_MAX / 2,
      callback(message) {
        handle(message.data);
        message.ack();
      },
    });
    return {
      address: server,
      settled: async () => connection.flush(),
    };
  },
  async publisher(server): Promise<Publisher> {
    const client = jetstream(await open(server));
    return { publish: async (body) => void (await client.publish(SUBJECT, body)) };
  },
};

function open(server: unknown): Promise<NatsConnection> {
  const servers = `127.0.0.1:${String(fieldOf(server, "port"))}`;
  return connect({ servers, noAsyncTraces: true, maxReconnectAttempts: 0 });
}
