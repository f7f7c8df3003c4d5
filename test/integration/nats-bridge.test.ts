import { existsSync } from "node:fs";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Server, startNatsServer } from "../../bench/messaging/servers.ts";
import { createId, EasynetError, noMetrics, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { type BridgedMessage, type NatsBridge, openNatsBridge } from "../../packages/easynet/src/messaging/index.ts";

const INSTALLED = existsSync("/usr/sbin/nats-server");

let server: Server;
let streams = 0;
beforeAll(async () => {
  if (INSTALLED) server = await startNatsServer();
});
afterAll(async () => {
  if (INSTALLED) await server.stop();
});

const message = (fields: Partial<BridgedMessage> = {}): BridgedMessage => ({
  id: createId(Date.now()),
  kind: "status-update",
  topic: "deploys",
  payload: { step: 1 },
  from: undefined,
  ...fields,
});

interface Side {
  readonly bridge: NatsBridge;
  /** What came over the bridge, in order. */
  readonly came: BridgedMessage[];
}

/** A network of one node that is in its own topic: whatever is published is forwarded again, as a member would. */
async function side(stream: string, network: string, publish?: NatsBridgeSidePublish): Promise<Side> {
  const came: BridgedMessage[] = [];
  const opened: { bridge?: NatsBridge } = {};
  const bridge = await openNatsBridge({
    servers: address(),
    stream,
    toNats: ["deploys", "a.b"],
    fromNats: ["deploys", "a.b"],
    network,
    publish: async (each) => {
      await publish?.(each);
      came.push(each);
      await opened.bridge?.forward(each);
    },
    logger: silentLogger,
    metrics: noMetrics,
  });
  opened.bridge = bridge;
  return { bridge, came };
}

type NatsBridgeSidePublish = (message: BridgedMessage) => Promise<void>;

const address = (): string => `127.0.0.1:${server.address.port}`;
const newStream = (): string => `stream${(streams += 1)}`;

async function countOf(stream: string): Promise<number> {
  const connection = await connect({ servers: address() });
  const { state } = await (await jetstreamManager(connection)).streams.info(stream);
  await connection.close();
  return state.messages;
}

async function publishForeign(subject: string, body: string, id?: string): Promise<void> {
  const connection = await connect({ servers: address() });
  await jetstream(connection).publish(subject, body, id === undefined ? {} : { msgID: id });
  await connection.close();
}

describe.skipIf(!INSTALLED)("a bridge to NATS JetStream (needs Debian's nats-server)", () => {
  test("mirrors topics between two networks, both ways, each message once, and none goes round", async () => {
    const stream = newStream();
    const [one, two] = [await side(stream, "one"), await side(stream, "two")];
    const [there, back] = [message(), message({ topic: "a.b", from: "did:agent", payload: ["back", 2] })];
    await one.bridge.forward(there);
    await one.bridge.forward(there);
    await one.bridge.forward(message({ topic: "private" }));
    await two.bridge.forward(back);
    await vi.waitFor(() => expect([one.came, two.came].map(({ length }) => length)).toEqual([1, 1]), 10_000);
    expect(two.came).toEqual([{ ...there, from: `nats:${stream}` }]);
    expect(one.came).toEqual([{ ...back, from: `nats:${stream}` }]);
    expect(await countOf(stream)).toBe(2);
    await one.bridge.close();
    await two.bridge.close();
  });

  test("takes what other clients publish, under the same id each time, and refuses what is no JSON", async () => {
    const stream = newStream();
    const one = await side(stream, "one");
    await publishForeign(`${stream}.deploys`, "no JSON");
    await publishForeign(`${stream}.deploys`, '{"by":"hand"}');
    await publishForeign(`${stream}.a=2Eb`, "[1]", "order 1");
    await publishForeign(`${stream}.a=2Eb`, "[1]", "order 1");
    await vi.waitFor(() => expect(one.came).toHaveLength(2), 10_000);
    expect(one.came.map(({ kind, topic, payload }) => [kind, topic, payload])).toEqual([
      ["nats-message", "deploys", { by: "hand" }],
      ["nats-message", "a.b", [1]],
    ]);
    await one.bridge.close();
    // The three that were published and not a fourth: what came over the bridge was not sent back.
    expect(await countOf(stream)).toBe(3);
  });

  test("goes on where it was after a restart, gives again what could not be taken yet, and not what never can", async () => {
    const stream = newStream();
    const first = await side(stream, "one");
    await first.bridge.close();
    await publishForeign(`${stream}.deploys`, "1");
    await publishForeign(`${stream}.deploys`, "3");
    await publishForeign(`${stream}.deploys`, "2");
    let refusals = 1;
    const ids: string[] = [];
    const again = await side(stream, "one", async ({ id, payload }) => {
      if (payload === 1) ids.push(id);
      refusals -= 1;
      if (refusals >= 0) throw new EasynetError("OVERLOADED", { subject: "the outbox", queued: 1 });
      if (payload === 3) throw new EasynetError("INVALID_ARGUMENT", { subject: "The payload", reason: "too large" });
      return Promise.resolve();
    });
    await vi.waitFor(() => expect(again.came).toHaveLength(2), 10_000);
    expect(new Set(again.came.map(({ payload }) => payload))).toEqual(new Set([1, 2]));
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
    await again.bridge.close();
  });

  test("says so when NATS is away or has no JetStream, or a payload is no JSON", async () => {
    const stream = newStream();
    const one = await side(stream, "one");
    await expect(one.bridge.forward(message({ payload: 1n }))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(one.bridge.forward(message({ payload: undefined }))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await one.bridge.close();
    await expect(one.bridge.forward(message())).rejects.toMatchObject({ code: "BRIDGE_UNREACHABLE", retryable: true });
    await expect(side("bad.name", "one")).rejects.toMatchObject({ code: "BRIDGE_UNREACHABLE" });
  });
});
