import { connect } from "amqplib";
import { type Consumer, fieldOf, type Publisher, type System } from "./system.ts";

const QUEUE = "bench";
const PREFETCH_COUNT = 2048;

/** A RabbitMQ quorum queue of one node: publisher confirms, and one acknowledgement for what came in one turn. */
export const rabbitmqSystem: System = {
  async consume(server, handle): Promise<Consumer> {
    const channel = await (await open(server)).createChannel();
    await channel.assertQueue(QUEUE, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.prefetch(PREFETCH_COUNT);
    let acknowledge: (() => void) | undefined;
    await channel.consume(QUEUE, (message) => {
      if (!message) throw new Error("RabbitMQ cancelled the consumer");
      handle(message.content);
      if (!acknowledge) setImmediate(() => acknowledge?.());
      acknowledge = () => {
        acknowledge = undefined;
        channel.ack(message, true);
      };
    });
    return {
      address: server,
      async settled() {
        acknowledge?.();
        // Acknowledgements have no answer; this question is answered after them on the same channel.
        await channel.checkQueue(QUEUE);
      },
    };
  },
  async publisher(server): Promise<Publisher> {
    const channel = await (await open(server)).createConfirmChannel();
    return {
      publish: (body) =>
        new Promise((resolve, reject) => {
          channel.sendToQueue(QUEUE, Buffer.from(body), { persistent: true }, (error: unknown) => {
            if (error) reject(error instanceof Error ? error : new Error("RabbitMQ refused a message"));
            else resolve();
          });
        }),
    };
  },
};

function open(server: unknown): ReturnType<typeof connect> {
  return connect({ hostname: "127.0.0.1", port: Number(fieldOf(server, "port")) }, { noDelay: true });
}
