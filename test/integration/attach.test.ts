import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../packages/easynet/src/kernel/index.ts";
import type { Gateway } from "../../packages/easynet/src/gateway/index.ts";
import type { RoutedEvent } from "../../packages/easynet/src/routing/index.ts";
import type { FakeNode } from "../../packages/easynet/src/testing/fake-node.ts";
import { verifies } from "../requirements.ts";
import { AttachClient, collect, until } from "./attach-client.ts";
import { startTestGateway, TOKEN } from "./gateway-client.ts";

let gateway: Gateway;
let node: FakeNode;

beforeAll(async () => {
  ({ gateway, node } = await startTestGateway());
});
afterAll(() => gateway.close());

async function callAll(capability: string, args: readonly unknown[] = []): Promise<RoutedEvent[]> {
  return collect(node.call({ capability, input: { args, kwargs: {} } }));
}

describe("greeting", () => {
  test("welcomes a process with the token and says who the node is", async () => {
    const client = await AttachClient.connect(gateway.url);
    client.send({ type: "hello", protocol: 1, token: TOKEN });
    expect(await client.take("welcome")).toEqual({ type: "welcome", protocol: 1, did: node.did, name: node.name });
    client.close();
  });

  test("refuses a wrong token, another protocol version, and any other first message", async () => {
    const cases = [
      [{ type: "hello", protocol: 1, token: "wrong" }, "TOKEN_INVALID", 4401],
      [{ type: "hello", protocol: 2, token: TOKEN }, "VERSION_UNSUPPORTED", 4401],
      [{ type: "ping" }, "INVALID_ARGUMENT", 4400],
    ] as const;
    for (const [message, code, closeCode] of cases) {
      const client = await AttachClient.connect(gateway.url);
      client.send(message);
      expect((await client.take("error")).error.code).toBe(code);
      expect(await client.untilClosed()).toBe(closeCode);
    }
  });

  test("closes a connection that says nothing in time", async () => {
    const timers: { delayMs: number; callback: () => void }[] = [];
    const clock = {
      ...systemClock,
      setTimer: (delayMs: number, callback: () => void) => {
        timers.push({ delayMs, callback });
        return { cancel: () => undefined };
      },
    };
    const other = await startTestGateway({ clock });
    const client = await AttachClient.connect(other.gateway.url);
    await until(() => timers.some((timer) => timer.delayMs === 5_000));
    timers.find((timer) => timer.delayMs === 5_000)?.callback();
    expect(await client.untilClosed()).toBe(4408);
    await other.gateway.close();
  });

  test("refuses upgrades from foreign pages, rebound hosts, other paths and unknown subprotocols", async () => {
    const cases = [
      [{ origin: "https://evil.example" }, "/api/ws", 403, "ORIGIN_REFUSED"],
      [{ host: "evil.example" }, "/api/ws", 421, "HOST_REFUSED"],
      [{}, "/api/other", 404, "ROUTE_UNKNOWN"],
      [{ "sec-websocket-protocol": "graphql-ws" }, "/api/ws", 400, "INVALID_ARGUMENT"],
    ] as const;
    for (const [headers, path, status, code] of cases) {
      expect(await upgradeAnswer(path, headers)).toEqual({ status, code });
    }
  });
});

describe.each(["json", "msgpack"] as const)("calls over easynet.%s", (protocol) => {
  test("answers with the events of the call", async () => {
    const client = await AttachClient.open(gateway.url, protocol);
    client.send({ type: "call", call: 1, capability: "add", args: [40, 2], id: "t1" });
    expect((await client.take("event")).event).toMatchObject({ type: "assigned", taskId: "t1", agent: "add" });
    expect(await client.take("event")).toEqual({
      type: "event",
      call: 1,
      event: { type: "final", value: 42, stop: "end" },
    });
    client.close();
  });

  test("carries bytes of a megabyte and more, which HTTP does not", async () => {
    const client = await AttachClient.open(gateway.url, protocol);
    const bytes = new Uint8Array(3 * 1024 * 1024).fill(7);
    client.send({ type: "call", call: 1, capability: "echo", args: [bytes] });
    await client.take("event");
    const { event } = await client.take("event");
    const value = event.type === "final" ? event.value : undefined;
    expect(value instanceof Uint8Array && Buffer.compare(value, bytes)).toBe(0);
    client.close();
  });

  test("keeps the answers of many calls apart", async () => {
    const client = await AttachClient.open(gateway.url, protocol);
    for (let call = 1; call <= 500; call++) client.send({ type: "call", call, capability: "echo", args: [call * 2] });
    const values = new Map<number, unknown>();
    while (values.size < 500) {
      const { call, event } = await client.take("event");
      if (event.type === "final") values.set(call, event.value);
    }
    expect([...values].every(([call, value]) => value === call * 2)).toBe(true);
    client.close();
  });
});

describe("streams", () => {
  test("send a window of items, then wait for credit", async () => {
    const client = await AttachClient.open(gateway.url);
    client.send({ type: "call", call: 7, capability: "count", args: [200], window: 10 });
    const items: unknown[] = [];
    const read = async (count: number): Promise<void> => {
      while (items.length < count) {
        const { event } = await client.take("event");
        if (event.type === "item") items.push(event.value);
      }
    };
    await read(10);
    client.send({ type: "ping", payload: "after the window" });
    expect(await client.take("pong")).toEqual({ type: "pong", payload: "after the window" });
    expect(client.waiting("event")).toBe(0);
    client.send({ type: "credit", call: 7, count: 5 });
    await read(15);
    client.send({ type: "credit", call: 7, count: 500 });
    await read(200);
    expect((await client.take("event")).event.type).toBe("final");
    expect(items).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    client.close();
  });

  test("end when the process cancels, also while they wait for credit", async () => {
    const client = await AttachClient.open(gateway.url);
    client.send({ type: "call", call: 1, capability: "count", args: [1_000_000_000], window: 1 });
    client.send({ type: "cancel", call: 1 });
    let event: RoutedEvent;
    do ({ event } = await client.take("event"));
    while (event.type !== "error");
    expect(event.error.code).toBe("CANCELLED");
    client.close();
  });

  test("fail with BACKPRESSURE when the process stops reading, and the node keeps its memory", async () => {
    const blob = "x".repeat(8 * 1024 * 1024);
    await node.share("flood", () => blob);
    const client = await AttachClient.open(gateway.url);
    client.socket.pause();
    for (let call = 1; call <= 100; call++) client.send({ type: "call", call, capability: "flood" });
    client.send({ type: "register", request: 1, functions: [{ name: "all-calls-were-read" }] });
    await until(() => node.offers({ capability: "all-calls-were-read" }).length === 1);
    await until(() => node.status().counts.tasksRunning === 0);
    client.socket.resume();
    const codes = new Map<string, number>();
    for (let ended = 0; ended < 100;) {
      const { event } = await client.take("event");
      if (event.type !== "final" && event.type !== "error") continue;
      ended += 1;
      const outcome = event.type === "final" ? "final" : event.error.code;
      codes.set(outcome, (codes.get(outcome) ?? 0) + 1);
    }
    expect([...codes.keys()].sort()).toEqual(["BACKPRESSURE", "final"]);
    // 32 MiB may wait, and the socket's own buffers take a few more: far from the 800 MiB asked for.
    expect(codes.get("final")).toBeLessThan(12);
    client.send({ type: "call", call: 101, capability: "add", args: [1, 1] });
    await client.take("event");
    expect((await client.take("event")).event).toMatchObject({ type: "final", value: 2 });
    client.close();
  });
});

describe("offering functions", () => {
  test("makes them an agent of the node, invokes them and takes them back", async () => {
    verifies("messaging:sdk:languages");
    const client = await AttachClient.open(gateway.url);
    client.send({
      type: "register",
      request: 1,
      agent: "words",
      functions: [{ name: "word-count", parameters: ["text"], idempotent: true, sideEffects: "none" }],
    });
    expect(await client.take("registered")).toMatchObject({ request: 1, agent: "words" });
    expect(node.offers({ capability: "word-count" })).toMatchObject([
      { card: { name: "words" }, capability: { parameters: ["text"], idempotent: true, streaming: false } },
    ]);

    const result = callAll("word-count", ["one two three"]);
    const invoke = await client.take("invoke");
    expect(invoke).toMatchObject({ capability: "word-count", args: ["one two three"], context: { from: "local" } });
    client.send({ type: "result", invocation: invoke.invocation, value: 3 });
    expect((await result).at(-1)).toEqual({ type: "final", value: 3, stop: "end" });

    client.send({ type: "unregister", request: 2, agent: "words" });
    expect(await client.take("unregistered")).toMatchObject({ request: 2 });
    expect(node.offers({ capability: "word-count" })).toEqual([]);
    client.close();
  });

  test("assumes the worst of what a declaration leaves out", async () => {
    const client = await AttachClient.open(gateway.url);
    client.send({ type: "register", request: 1, functions: [{ name: "bare" }] });
    const { agent } = await client.take("registered");
    expect(agent).toMatch(/^process-\d+$/);
    expect(node.offers({ capability: "bare" })).toMatchObject([
      { capability: { idempotent: false, sideEffects: "external", durability: "disk" } },
    ]);
    client.close();
  });

  test("carries the failure of a function with its name and reason", async () => {
    const client = await AttachClient.open(gateway.url);
    client.send({ type: "register", request: 1, agent: "failing", functions: [{ name: "py-fail" }] });
    await client.take("registered");
    const result = callAll("py-fail");
    const { invocation } = await client.take("invoke");
    client.send({ type: "failure", invocation, error: { name: "ValueError", message: "bad digit" } });
    expect((await result).at(-1)).toMatchObject({
      type: "error",
      error: { code: "FUNCTION_FAILED", details: { name: "ValueError", reason: "bad digit", capability: "py-fail" } },
    });
    client.close();
  });

  test("streams items under credit in the other direction too", async () => {
    const client = await AttachClient.open(gateway.url);
    client.send({ type: "register", request: 1, agent: "streamer", functions: [{ name: "stream", streaming: true }] });
    await client.take("registered");
    const events = node.call({ capability: "stream", input: { args: [], kwargs: {} } })[Symbol.asyncIterator]();
    await events.next();
    const first = events.next();
    const { invocation } = await client.take("invoke");
    client.send({ type: "progress", invocation, event: { type: "thought", text: "hm" } });
    for (let value = 1; value < 64; value++) client.send({ type: "item", invocation, value });
    expect((await first).value).toEqual({ type: "thought", text: "hm" });
    for (let value = 1; value < 33; value++) expect((await events.next()).value).toEqual({ type: "item", value });
    expect(await client.take("credit")).toEqual({ type: "credit", invocation, count: 32 });
    for (let value = 64; value < 96; value++) client.send({ type: "item", invocation, value });
    client.send({ type: "result", invocation, value: "done" });
    for (let value = 33; value < 96; value++) expect((await events.next()).value).toEqual({ type: "item", value });
    expect((await events.next()).value).toMatchObject({ type: "final", value: "done" });
    client.close();
  });

  test("ends an invocation whose process floods without credit", async () => {
    const client = await AttachClient.open(gateway.url);
    client.send({ type: "register", request: 1, agent: "flooder", functions: [{ name: "overflow" }] });
    await client.take("registered");
    const result = callAll("overflow");
    const { invocation } = await client.take("invoke");
    for (let value = 0; value < 1_000; value++) client.send({ type: "item", invocation, value });
    const events = await result;
    expect(events.at(-1)).toMatchObject({ type: "error", error: { code: "PROVIDER_MISBEHAVED" } });
    expect(events.length).toBeLessThan(200);
    expect(await client.take("cancel")).toMatchObject({ invocation, error: { code: "PROVIDER_MISBEHAVED" } });
    client.close();
  });

  test("tells the process when nobody waits any more, and drops what still comes", async () => {
    const client = await AttachClient.open(gateway.url);
    client.send({ type: "register", request: 1, agent: "slow", functions: [{ name: "slow" }] });
    await client.take("registered");
    const events = collect(node.call({ capability: "slow", input: { args: [], kwargs: {} }, timeoutMs: 30 }));
    const { invocation } = await client.take("invoke");
    expect(await client.take("cancel")).toMatchObject({ invocation, error: { code: "DEADLINE_EXCEEDED" } });
    expect((await events).at(-1)).toMatchObject({ type: "error", error: { code: "DEADLINE_EXCEEDED" } });
    client.send({ type: "result", invocation, value: "too late" });
    client.send({ type: "ping" });
    await client.take("pong");
    expect(client.waiting("error")).toBe(0);
    client.close();
  });

  test("ends running invocations with PROVIDER_LOST when the process dies, and takes its agents back", async () => {
    const client = await AttachClient.open(gateway.url);
    client.send({ type: "register", request: 1, agent: "mortal", functions: [{ name: "die" }] });
    await client.take("registered");
    const result = callAll("die");
    await client.take("invoke");
    client.socket.terminate();
    expect((await result).at(-1)).toMatchObject({ type: "error", error: { code: "PROVIDER_LOST" } });
    await until(() => node.offers({ agent: "mortal" }).length === 0);
    const again = await AttachClient.open(gateway.url);
    again.send({ type: "register", request: 1, agent: "mortal", functions: [{ name: "die" }] });
    await again.take("registered");
    again.close();
  });

  test("refuses a name that is taken, on the node or by another process, and too many agents", async () => {
    const client = await AttachClient.open(gateway.url);
    const functions = [{ name: "f" }];
    client.send({ type: "register", request: 1, agent: "add", functions });
    expect(await client.take("refused")).toMatchObject({ request: 1, error: { code: "AGENT_EXISTS" } });
    const other = await AttachClient.open(gateway.url);
    other.send({ type: "register", request: 1, agent: "taken", functions });
    await other.take("registered");
    client.send({ type: "register", request: 2, agent: "taken", functions });
    expect(await client.take("refused")).toMatchObject({ request: 2, error: { code: "AGENT_EXISTS" } });
    for (let number = 3; number < 20; number++) client.send({ type: "register", request: number, functions });
    expect(await client.take("refused")).toMatchObject({ request: 19, error: { code: "OVERLOADED" } });
    client.send({ type: "unregister", request: 30, agent: "taken" });
    expect(await client.take("refused")).toMatchObject({ request: 30, error: { code: "INVALID_ARGUMENT" } });
    client.close();
    other.close();
    await until(() => node.offers({ capability: "f" }).length === 0);
  });
});

describe("events of the node", () => {
  test("reach a subscriber until it leaves", async () => {
    const before = node.listenersCount;
    const client = await AttachClient.open(gateway.url);
    client.send({ type: "subscribe" });
    client.send({ type: "subscribe" });
    await until(() => node.listenersCount === before + 1);
    await callAll("add", [1, 2]);
    expect((await client.take("node-event")).event).toMatchObject({ type: "task-started", capability: "add" });
    expect((await client.take("node-event")).event).toMatchObject({ type: "task-ended", outcome: "completed" });
    client.close();
    await until(() => node.listenersCount === before);
  });
});

describe("malformed messages", () => {
  const bad: readonly [string, string | Uint8Array][] = [
    ["not JSON", "{"],
    ["not an object", "[]"],
    ["no type", "{}"],
    ["an unknown type", '{"type":"exec"}'],
    ["an unknown field", '{"type":"ping","paylod":"x"}'],
    ["binary in a text protocol", new Uint8Array([1, 2, 3])],
    ["a __proto__ key", '{"type":"call","call":1,"capability":"echo","args":[{"__proto__":{}}]}'],
    ["nested too deep", `{"type":"call","call":1,"capability":"echo","args":[${"[".repeat(100)}${"]".repeat(100)}]}`],
    ["an answer to an invocation that never was", '{"type":"result","invocation":999999}'],
    ["a second hello", `{"type":"hello","protocol":1,"token":"${TOKEN}"}`],
  ];
  test.each(bad)("are answered with a typed error: %s", async (_name, data) => {
    const client = await AttachClient.open(gateway.url);
    client.sendRaw(data);
    expect((await client.take("error")).error.code).toBe("INVALID_ARGUMENT");
    client.send({ type: "ping" });
    await client.take("pong");
    client.close();
  });

  test("name the nearest known field", async () => {
    const client = await AttachClient.open(gateway.url);
    client.sendRaw('{"type":"ping","paylod":"x"}');
    expect((await client.take("error")).error.details["reason"]).toContain("did you mean payload?");
    client.close();
  });

  test("close the connection the third time", async () => {
    const client = await AttachClient.open(gateway.url, "msgpack");
    for (let sent = 0; sent < 3; sent++) client.sendRaw(new Uint8Array([0xc1]));
    expect(await client.untilClosed()).toBe(4400);
    expect(client.waiting("error")).toBe(3);
  });

  test("larger than a message may be close the connection", async () => {
    const client = await AttachClient.open(gateway.url, "msgpack");
    client.sendRaw(new Uint8Array(16 * 1024 * 1024 + 1));
    expect(await client.untilClosed()).toBe(1009);
  });

  test("a number of an open call is refused without hurting that call", async () => {
    const client = await AttachClient.open(gateway.url);
    client.send({ type: "call", call: 1, capability: "wait", timeoutMs: 50 });
    client.send({ type: "call", call: 1, capability: "add", args: [1, 1] });
    expect((await client.take("error")).error.details["reason"]).toContain("still open");
    await client.take("event");
    expect((await client.take("event")).event).toMatchObject({ type: "error", error: { code: "DEADLINE_EXCEEDED" } });
    client.close();
  });
});

test("a stopping gateway tells its processes so", async () => {
  const other = await startTestGateway();
  const client = await AttachClient.open(other.gateway.url);
  await other.gateway.close();
  expect(await client.untilClosed()).toBe(1001);
});

async function upgradeAnswer(path: string, headers: Readonly<Record<string, string>>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request(gateway.url + path, {
      headers: {
        connection: "upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        ...headers,
      },
    });
    outgoing.on("error", reject);
    outgoing.on("upgrade", () => resolve("upgraded"));
    outgoing.on("response", (incoming) => {
      incoming.setEncoding("utf8");
      let text = "";
      incoming.on("data", (chunk: string) => (text += chunk));
      incoming.on("end", () => resolve({ status: incoming.statusCode, code: JSON.parse(text).code }));
    });
    outgoing.end();
  });
}
