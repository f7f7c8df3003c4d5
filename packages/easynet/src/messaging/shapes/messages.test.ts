import { describe, expect, test } from "vitest";
import { verifies } from "../../../../../test/requirements.ts";
import type { Did } from "../../identity/index.ts";
import { EasynetError, type MetricLabels } from "../../kernel/index.ts";
import { MessagesWorld } from "../../testing/messages-fixture.ts";
import type { Message } from "./types.ts";

const NEWS = { status: "busy" };

describe("one-way messages", () => {
  test("arrive at the handler of their kind, in order, with who sent them", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    const got: Message[] = [];
    two.messages.handle("status-update", (message) => void got.push(message));
    for (const status of ["a", "b", "c"]) one.messages.send(two.did, { kind: "status-update", payload: { status } });
    await world.clock.advanceAsync(0);
    expect(got.map(({ payload }) => payload)).toEqual([{ status: "a" }, { status: "b" }, { status: "c" }]);
    expect(got[0]).toMatchObject({ sender: one.did, kind: "status-update", wantsAnswer: false, priority: "normal" });
  });

  test("a payload that does not fit, and a kind that nobody defined, never leave", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    expect(() => one.messages.send(two.did, { kind: "status-update", payload: {} })).toThrow(
      expect.objectContaining({ code: "PAYLOAD_INVALID" }),
    );
    expect(() => one.messages.send(two.did, { kind: "satus-update", payload: NEWS })).toThrow(
      expect.objectContaining({ code: "KIND_UNKNOWN" }),
    );
    expect(world.post.waiting()).toEqual([]);
  });

  test("what the receiver does not take is refused there, counted, and a dead letter", async () => {
    verifies("messaging:kinds:handlers");
    const world = new MessagesWorld();
    const counted: MetricLabels[] = [];
    const metrics = {
      count: (name: string, labels: MetricLabels = {}) => void (name.includes("unhandled") && counted.push(labels)),
      gauge: () => undefined,
    };
    const [one, two] = [await world.start(1), await world.start(2, { metrics })];
    one.kinds.define({ name: "order-placed" });
    one.messages.send(two.did, { kind: "order-placed", payload: 1 });
    await world.clock.advanceAsync(0);
    expect(two.delivery.dead).toMatchObject([{ kind: "order-placed", attempts: 1, reason: "refused" }]);
    expect(counted).toContainEqual({ kind: "undefined", reason: "MESSAGE_UNKNOWN" });
  });

  test("what a handler writes is committed with its message", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    two.messages.handle("command", ({ attempt }, transaction) => {
      transaction?.put("effects", `attempt-${attempt}`, new Uint8Array([attempt]));
      if (attempt < 3) throw new EasynetError("INTERNAL", { reason: "not yet" });
    });
    one.messages.send(two.did, { kind: "command", payload: { command: "pause" } });
    await world.clock.advanceAsync(0);
    expect(two.store.list("effects").map(({ key }) => key)).toEqual(["attempt-3"]);
  });

  test("a message to this node itself survives its restart", async () => {
    const world = new MessagesWorld();
    const one = await world.start(1);
    one.messages.handle("command", () => new Promise(() => undefined));
    await one.messages.send(one.did, { kind: "command", payload: { command: "go on" } }).stored;
    await world.clock.advanceAsync(0);
    one.crash();
    const got: unknown[] = [];
    const setUp = ({ messages }: typeof one): void =>
      void messages.handle("command", ({ payload }) => void got.push(payload));
    const again = await world.start(1, { setUp });
    await world.clock.advanceAsync(0);
    expect(got).toEqual([{ command: "go on" }]);
    expect(again.store.list("message-own")).toEqual([]);
  });

  test("to this node itself: a handler may wait for the answer to a request of its own", async () => {
    const world = new MessagesWorld();
    const one = await world.start(1);
    const got: unknown[] = [];
    one.messages.handle("query", () => "answered");
    one.messages.handle("command", async ({ sender }) => {
      got.push(await one.messages.request(sender, { kind: "query", payload: { query: "x" } }).answer);
    });
    one.messages.send(one.did, { kind: "command", payload: { command: "ask" } });
    await world.clock.advanceAsync(0);
    expect(got).toEqual(["answered"]);
  });

  test("one kind has one handler", async () => {
    const one = await new MessagesWorld().start(1);
    const handle = one.messages.handle("query", () => 1);
    expect(() => one.messages.handle("query", () => 2)).toThrow(expect.objectContaining({ code: "KIND_EXISTS" }));
    handle[Symbol.dispose]();
    expect(() => one.messages.handle("query", () => 2)).not.toThrow();
  });
});

describe("several receivers", () => {
  test("of a multicast each has its own outcome", async () => {
    verifies("messaging:shape:reach");
    const world = new MessagesWorld();
    const [one, two, three] = [await world.start(1), await world.start(2), await world.start(3)];
    const got: Did[] = [];
    for (const node of [two, three]) node.messages.handle("status-update", () => void got.push(node.did));
    const report = await one.messages.multicast([two.did, three.did, two.did], {
      kind: "status-update",
      payload: NEWS,
      wait: "acknowledged",
    });
    await world.clock.advanceAsync(0);
    expect(report.failed).toEqual([]);
    expect(new Set(report.reached)).toEqual(new Set([two.did, three.did]));
    expect(got.toSorted()).toEqual([two.did, three.did].toSorted());
  });

  test("a topic reaches its members of the moment, and those who are away later", async () => {
    const world = new MessagesWorld();
    const [one, two, three] = [await world.start(1), await world.start(2), await world.start(3)];
    world.topics.set("weather", [one.did, two.did]);
    const got: string[] = [];
    for (const [name, node] of Object.entries({ one, two, three })) {
      node.messages.receive(({ topic, payload }) => void got.push(`${name} ${topic} ${String(payload)}`));
    }
    await one.messages.publish("weather", { kind: "forecast", payload: "rain" });
    await world.clock.advanceAsync(0);
    expect(got.toSorted()).toEqual(["one weather rain", "two weather rain"]);
    two.crash();
    await one.messages.publish("weather", { kind: "forecast", payload: "sun" });
    await world.start(2, {
      setUp: (node) => node.messages.receive(({ payload }) => void got.push(`two again ${String(payload)}`)),
    });
    await world.clock.advanceAsync(0);
    expect(got).toContain("two again sun");
  });

  test("a slow member of a topic of 50 does not hold up the others", async () => {
    const world = new MessagesWorld();
    const publisher = await world.start(0);
    const members = await Promise.all(Array.from({ length: 50 }, (_, number) => world.start(number + 1)));
    world.topics.set(
      "ticks",
      members.map(({ did }) => did),
    );
    const counts = members.map(() => 0);
    for (const [index, { messages }] of members.entries()) {
      // The first one never comes to an end with the first message.
      messages.receive(async () => {
        counts[index] = (counts[index] ?? 0) + 1;
        if (index === 0) await new Promise(() => undefined);
      });
    }
    for (let tick = 0; tick < 20; tick++) {
      const report = await publisher.messages.publish("ticks", { kind: "tick", payload: tick });
      expect(report.reached).toHaveLength(50);
    }
    await world.clock.advanceAsync(0);
    expect(counts[0]).toBe(1);
    expect(counts.slice(1)).toEqual(Array.from({ length: 49 }, () => 20));
  });

  test("a broadcast reaches every node once, over whoever passes it on", async () => {
    const world = new MessagesWorld();
    const nodes = await Promise.all(Array.from({ length: 8 }, (_, number) => world.start(number)));
    const got: Message[] = [];
    for (const { messages } of nodes) messages.handle("broadcast", (message) => void got.push(message));
    nodes[0]?.messages.broadcast({ kind: "broadcast", payload: { subject: "lunch" } });
    await world.clock.advanceAsync(5_000);
    expect(got).toHaveLength(7);
    expect(got[0]).toMatchObject({ sender: nodes[0]?.did, broadcast: true, payload: { subject: "lunch" } });
  });
});
