import { describe, expect, test, vi } from "vitest";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import type { ServedNode } from "../../packages/easynet/src/gateway/index.ts";
import { AgentNetwork, type NodeOptions } from "../../packages/easynet/src/index.ts";
import type { AgentHandle, NodeEvent } from "../../packages/easynet/src/node/index.ts";
import { verifies } from "../requirements.ts";
import { TestNetwork, until } from "../support/network.ts";

const addressOf = (served: ServedNode): string => `${served.node.status().addresses[0]?.split("/p2p/")[0]}`;

/** An agent that only takes messages. */
async function listener(
  served: ServedNode,
  name: string,
  handlers: Readonly<Record<string, (payload: unknown) => unknown>>,
): Promise<AgentHandle> {
  const agent = functionAgent({ name });
  for (const [kind, handler] of Object.entries(handlers)) {
    agent.registerHandler(kind, ({ payload }) => handler(payload));
  }
  return served.node.addAgent(agent);
}

function bootstrapOf(served: ServedNode): readonly string[] {
  const [, host, , port] = addressOf(served).split("/").slice(1);
  return [`${host}:${port}#${served.node.did}`];
}

async function pair(network: TestNetwork): Promise<readonly [ServedNode, ServedNode]> {
  const one = await network.start("one");
  const two = await network.start("two", { bootstrap: bootstrapOf(one) });
  await until("they know each other", () => [one, two].every(({ node }) => node.status().counts.nodes === 2));
  return [one, two];
}

describe("messages between real nodes", () => {
  test("an agent's message is handled on the other machine and answered, by every way of sending", async () => {
    verifies("messaging:shape:reach", "messaging:kinds:handlers");
    await using network = new TestNetwork();
    const [one, two] = await pair(network);
    const got: unknown[] = [];
    await listener(two, "scribe", {
      note: (payload) => ({ noted: payload }),
      "status-update": (payload) => void got.push(payload),
      fail: () => {
        throw new TypeError("not today");
      },
    });
    const sender = await listener(one, "sender", {});
    await until("one sees the scribe", () => sender.peers().some(({ name }) => name === "scribe"));
    expect(await sender.sendMessage("scribe", { kind: "note", payload: { text: "你好" } })).toEqual({
      noted: { text: "你好" },
    });
    const durable = { kind: "note", payload: 1, durability: "disk" } as const;
    expect(await sender.sendMessage("scribe", durable)).toEqual({ noted: 1 });
    expect(await one.node.messages.send("scribe", durable)).toMatchObject({ state: "answered", node: two.node.did });
    await expect(sender.sendMessage("scribe", { kind: "fail" })).rejects.toMatchObject({ code: "FUNCTION_FAILED" });
    await expect(sender.sendMessage("scribe", { kind: "other" })).rejects.toMatchObject({ code: "MESSAGE_UNKNOWN" });
    await expect(one.node.messages.send("two", { kind: "no-such-kind" })).rejects.toMatchObject({
      code: "KIND_UNKNOWN",
    });
    const acknowledged = await one.node.messages.send("two", {
      kind: "status-update",
      payload: { status: "busy" },
      wait: "acknowledged",
    });
    expect(acknowledged).toMatchObject({ state: "acknowledged" });
    sender.announce({ kind: "status-update", payload: { status: "free" } });
    await until("both arrived", () => got.length === 2);
    expect(got).toEqual(expect.arrayContaining([{ status: "busy" }, { status: "free" }]));
    expect(one.node.messages.outbox()).toEqual([]);
  });

  test("a topic reaches the members of the moment on every node", async () => {
    await using network = new TestNetwork();
    const [one, two] = await pair(network);
    const got: string[] = [];
    const near = await listener(one, "near", { forecast: (payload) => void got.push(`near ${String(payload)}`) });
    const far = await listener(two, "far", { forecast: (payload) => void got.push(`far ${String(payload)}`) });
    await near.joinTopic("weather");
    await far.joinTopic("weather");
    const publishedTo = async (): Promise<number> =>
      (await near.publish("weather", { kind: "forecast", payload: "rain" })).delivered.length;
    await vi.waitUntil(async () => (await publishedTo()) === 2, { timeout: 10_000 });
    await until("both got it", () => got.includes("near rain") && got.includes("far rain"));
    await far.leaveTopic("weather");
    await vi.waitUntil(async () => (await publishedTo()) === 1, { timeout: 10_000 });
    expect(far.peers().map(({ name }) => name)).toEqual(["near"]);
  });

  test("what is sent to a machine that is off arrives when it is back, once", async () => {
    verifies("messaging:reliable:delivery", "messaging:envelope:ttl");
    await using network = new TestNetwork();
    const [one, two] = await pair(network);
    await listener(two, "scribe", { note: () => undefined });
    const sender = await listener(one, "sender", {});
    await until("one sees the scribe", () => sender.peers().some(({ name }) => name === "scribe"));
    await two.stop();
    await until("one knows that it is off", () => one.node.peers().length === 0);
    for (let number = 0; number < 5; number++) {
      const note = { kind: "note", payload: number, wait: "stored" } as const;
      expect(await sender.sendMessage("scribe", note)).toMatchObject({ state: "stored", node: two.node.did });
    }
    expect(one.node.messages.outbox()).toMatchObject([{ peer: two.node.did, queued: 5 }]);
    const again = await network.start("two", { bootstrap: bootstrapOf(one) });
    const got: unknown[] = [];
    await listener(again, "scribe", { note: (payload) => void got.push(payload) });
    await until("nothing waits", () => one.node.messages.outbox().length === 0, 20_000);
    await until("all were handled", () => got.length === 5);
    expect(got).toEqual([0, 1, 2, 3, 4]);
  });

  test("a durable request outlives both ends, and its answer is had by its id", async () => {
    verifies("messaging:reliable:delivery");
    await using network = new TestNetwork();
    let [one, two] = await pair(network);
    await listener(two, "builder", { command: () => new Promise(() => undefined) });
    await until("one sees the builder", () => one.node.status().counts.agents === 1);
    const id = "018f3a6e-0000-7000-8000-000000000001";
    const command = { kind: "command", payload: { command: "build" }, id, timeoutMs: 60_000 };
    const lost = one.node.messages.send("builder", command).catch(({ code }: { code: string }) => code);
    await until("the builder works on it", () => two.node.status().load.running === 1);
    await one.stop();
    expect(await lost).toBe("NODE_STOPPING");
    await two.stop();
    two = await network.start("two");
    await listener(two, "builder", { command: () => "built" });
    one = await network.start("one", { bootstrap: bootstrapOf(two) });
    expect(await one.node.messages.answer(id)).toBe("built");
  });

  test("what a handler refuses five times is a dead letter, and can be handled again", async () => {
    verifies("messaging:reliable:error");
    await using network = new TestNetwork();
    const [one, two] = await pair(network);
    const got: unknown[] = [];
    await listener(two, "scribe", {
      command: (payload) => {
        if (got.push(payload) <= 5) throw new TypeError("not today");
      },
    });
    const command = { kind: "command", payload: { command: "rest" }, wait: "acknowledged" } as const;
    await one.node.messages.send("two", command);
    await until("it is a dead letter", () => two.node.messages.deadLetters.list().length === 1);
    const [letter] = two.node.messages.deadLetters.list();
    expect(letter).toMatchObject({ kind: "command", attempts: 5, lastError: expect.stringContaining("not today") });
    await two.node.messages.deadLetters.requeue(letter?.key ?? "");
    await until("it was handled", () => got.length === 6 && two.node.messages.deadLetters.list().length === 0);
    expect(two.node.messages.counts()).toMatchObject({ dead: 1 });
  });

  test("what nobody handles is a dead letter at once, and holds up nothing", async () => {
    await using network = new TestNetwork();
    const [one, two] = await pair(network);
    const got: unknown[] = [];
    const scribe = { "status-update": (payload: unknown) => void got.push(payload) };
    await listener(two, "scribe", scribe);
    await one.node.messages.send("two", { kind: "command", payload: { command: "dance" }, wait: "stored" });
    await one.node.messages.send("two", { kind: "status-update", payload: { status: "after" }, wait: "stored" });
    // A node that has just started waits for its agents before it says that none handles it.
    await until("what follows is handled", () => got.length === 1, 20_000);
    await until("it is a dead letter", () => two.node.messages.deadLetters.list().length === 1);
    expect(two.node.messages.deadLetters.list()).toMatchObject([
      { kind: "command", reason: "refused", attempts: 1, lastError: expect.stringContaining("command") },
    ]);
  }, 30_000);

  test("every message is counted and told to who watches", async () => {
    verifies("messaging:stats:audit");
    await using network = new TestNetwork();
    const [one, two] = await pair(network);
    await listener(two, "scribe", { heartbeat: () => undefined });
    const events: NodeEvent[] = [];
    two.node.onEvent((event) => void events.push(event));
    await one.node.messages.send("two", { kind: "heartbeat", payload: {}, wait: "acknowledged" });
    await until("two tells of it", () => events.some(({ type }) => type === "message-received"));
    expect(events.find(({ type }) => type === "message-received")).toMatchObject({ kind: "heartbeat", name: "one" });
    expect(one.node.status().counters['easynet_messages_total{direction="sent",kind="heartbeat"}']).toBe(1);
    expect(two.node.status().counters['easynet_messages_total{direction="received",kind="heartbeat"}']).toBe(1);
  });
});

describe("AgentNetwork", () => {
  test("joins, registers agents, sends, broadcasts, leaves", async () => {
    verifies("messaging:sdk:network");
    await using place = new TestNetwork();
    const home = await place.prepareHome("machine");
    const quiet: NodeOptions = {
      home,
      listenHost: "127.0.0.1",
      listenPort: 0,
      apiPort: 0,
      mdns: false,
      logLevel: "silent",
    };
    await using desk = new AgentNetwork({ ...quiet, agent: "desk" });
    desk.defineKind({ name: "order-placed", durability: "disk" });
    desk.onMessage("order-placed", ({ payload, from }) => ({ taken: payload, from }));
    await desk.joinNetwork();
    await using shop = new AgentNetwork({ ...quiet, agent: "shop" });
    shop.defineKind({ name: "order-placed", durability: "disk" });
    expect(await shop.joinNetwork()).toMatchObject({ embedded: false });
    expect(await shop.sendMessage("desk", "order-placed", { orderId: "7" })).toMatchObject({ taken: { orderId: "7" } });
    await expect(shop.sendMessage("desk", "resource-request", { amount: 7 })).rejects.toMatchObject({
      code: "PAYLOAD_INVALID",
    });
    const clerk = functionAgent({ name: "clerk" });
    clerk.registerHandler("order-placed", () => "by the clerk");
    const registered = await shop.registerAgent(clerk);
    expect(await desk.sendMessage("clerk", "order-placed", { orderId: "8" })).toBe("by the clerk");
    const asClerk = await shop.sendMessage("desk", "order-placed", { orderId: "9" }, { from: "clerk" });
    expect(asClerk).not.toMatchObject({ from: (await shop.agents()).find(({ name }) => name === "shop")?.id });
    const report = await shop.broadcastMessage("order-placed", { orderId: "10" });
    expect(report.delivered).toHaveLength(2);
    await registered[Symbol.asyncDispose]();
    await expect(desk.sendMessage("clerk", "order-placed", { orderId: "11" })).rejects.toMatchObject({
      code: "NO_CAPABLE_AGENT",
    });
    await shop.leaveNetwork();
    await expect(shop.sendMessage("desk", "order-placed", { orderId: "12" })).rejects.toMatchObject({
      code: "NODE_NOT_RUNNING",
    });
  });
});
