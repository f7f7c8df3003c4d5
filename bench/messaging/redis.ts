import { Redis } from "ioredis";
import { type Consumer, fieldOf, type Publisher, type System } from "./system.ts";

const STREAM = "bench";
const GROUP = "group";
const READ_COUNT = 1024;

/** Redis Streams with a consumer group: XADD, XREADGROUP, XACK; commands of one turn leave in one pipeline. */
export const redisSystem: System = {
  async consume(server, handle): Promise<Consumer> {
    const [reading, acking] = [connect(server), connect(server)];
    await acking.xgroup("CREATE", STREAM, GROUP, "$", "MKSTREAM");
    const pending = new Set<Promise<unknown>>();
    void (async () => {
      for (;;) {
        const entries = entriesOf(
          await reading.xreadgroupBuffer(
            "GROUP",
            GROUP,
            "one",
            "COUNT",
            READ_COUNT,
            "BLOCK",
            0,
            "STREAMS",
            STREAM,
            ">",
          ),
        );
        for (const { body } of entries) handle(body);
        const acknowledged = acking.xack(STREAM, GROUP, ...entries.map(({ id }) => id));
        pending.add(acknowledged);
        void acknowledged.finally(() => pending.delete(acknowledged));
      }
    })();
    return { address: server, settled: async () => void (await Promise.all(pending)) };
  },
  async publisher(server): Promise<Publisher> {
    const redis = connect(server);
    await redis.ping();
    return { publish: async (body) => void (await redis.xadd(STREAM, "*", "d", Buffer.from(body))) };
  },
};

function connect(server: unknown): Redis {
  return new Redis({
    host: "127.0.0.1",
    port: Number(fieldOf(server, "port")),
    noDelay: true,
    enableAutoPipelining: true,
  });
}

interface Entry {
  readonly id: string;
  readonly body: Uint8Array;
}

/** `[[stream, [[id, [field, value]], …]]]`, as RESP gives it. */
function entriesOf(reply: unknown): Entry[] {
  const [stream] = asArray(reply);
  return asArray(asArray(stream)[1]).map((entry) => {
    const [id, fields] = asArray(entry);
    const body = asArray(fields)[1];
    if (!(body instanceof Uint8Array)) throw new Error("an entry without a body");
    return { id: String(id), body };
  });
}

function asArray(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error("an unexpected answer of Redis");
  return value;
}
