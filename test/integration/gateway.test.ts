import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateKeyPair } from "../../packages/easynet/src/identity/index.ts";
import { silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { type Gateway, startGateway } from "../../packages/easynet/src/gateway/index.ts";
import { FakeAgent, fakeCapability } from "../../packages/easynet/src/testing/fake-agent.ts";
import { FakeNode } from "../../packages/easynet/src/testing/fake-node.ts";
import { verifies } from "../requirements.ts";
import { send, startTestGateway, TOKEN } from "./gateway-client.ts";

let gateway: Gateway;
let node: FakeNode;
let stopRequests: () => number;

beforeAll(async () => {
  const root = generateKeyPair();
  const neighbour = new FakeNode({ name: "neighbour" });
  const reachable = new Map([["10.0.0.2:7441", neighbour]]);
  const own = new FakeNode({ name: "own", root, reachable, home: "/home/me/.easynet" });
  ({ gateway, node, stopRequests } = await startTestGateway({
    node: own,
    metricsText: async () => "easynet_up 1\n",
  }));
});
afterAll(() => gateway.close());

const at = (path: string): string => gateway.url + path;
const port = (): string => new URL(gateway.url).port;

describe("the guard", () => {
  const call = { capability: "add", args: [1, 2] };
  const cases: readonly [string, number, string, Parameters<typeof send>[1]][] = [
    ["a rebound Host without Origin", 421, "HOST_REFUSED", { body: call, headers: { host: "evil.example:7440" } }],
    ["a rebound Host with the right port", 421, "HOST_REFUSED", { headers: { host: "evil.example" } }],
    ["a foreign Origin", 403, "ORIGIN_REFUSED", { body: call, headers: { origin: "https://evil.example" } }],
    ["the Origin null of a sandboxed page", 403, "ORIGIN_REFUSED", { headers: { origin: "null" } }],
    ["another local server's Origin", 403, "ORIGIN_REFUSED", { headers: { origin: "http://127.0.0.1:3000" } }],
    ["no token", 401, "TOKEN_INVALID", { body: call, headers: { authorization: "" } }],
    ["a wrong token", 401, "TOKEN_INVALID", { body: call, headers: { authorization: "Bearer nope" } }],
    ["a token with a tail", 401, "TOKEN_INVALID", { headers: { authorization: `Bearer ${TOKEN}x` } }],
    ["another scheme", 401, "TOKEN_INVALID", { headers: { authorization: `Basic ${TOKEN}` } }],
    [
      "a form",
      415,
      "CONTENT_TYPE_REFUSED",
      { body: "a=1", headers: { "content-type": "application/x-www-form-urlencoded" } },
    ],
    ["plain text", 415, "CONTENT_TYPE_REFUSED", { body: "{}", headers: { "content-type": "text/plain" } }],
    ["one byte too many", 413, "BODY_TOO_LARGE", { body: JSON.stringify("x".repeat(1024 * 1024 - 1)) }],
    ["a __proto__ key", 400, "INVALID_ARGUMENT", { body: '{"capability":"add","__proto__":{"x":1}}' }],
    [
      "a __proto__ key in an argument",
      400,
      "INVALID_ARGUMENT",
      { body: '{"capability":"echo","args":[{"__proto__":1}]}' },
    ],
    ["broken JSON", 400, "INVALID_ARGUMENT", { body: '{"capability":' }],
    ["no body", 400, "INVALID_ARGUMENT", { method: "POST" }],
    ["a body that is a list", 400, "INVALID_ARGUMENT", { body: [] }],
    ["an unknown field", 400, "INVALID_ARGUMENT", { body: { ...call, tiemoutMs: 1 } }],
    [
      "an argument nested too deep",
      400,
      "INVALID_ARGUMENT",
      { body: `{"capability":"echo","args":[${"[".repeat(100)}${"]".repeat(100)}]}` },
    ],
  ];
  test.each(cases)("answers %s with %i %s", async (...[, status, code, options]) => {
    const answer = await send(at("/api/call"), { method: "POST", ...options });
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(answer.body).toMatchObject({ status, code, type: `urn:easynet:error:${code}` });
    expect(answer.status).toBe(status);
  });

  test("lets the right Host, Origin and token pass", async () => {
    for (const name of ["127.0.0.1", "localhost"]) {
      const host = `${name}:${port()}`;
      const answer = await send(at("/api/call"), { body: call, headers: { host, origin: `http://${host}` } });
      expect(answer).toMatchObject({ status: 200, body: { value: 3 } });
    }
  });

  test("names the nearest known field", async () => {
    const answer = await send(at("/api/call"), { body: { ...call, tiemoutMs: 5 } });
    expect(answer.body).toMatchObject({ details: { reason: "there is no field tiemoutMs; did you mean timeoutMs?" } });
    const nested = await send(at("/api/call"), { body: { ...call, budget: { token: 5 } } });
    expect(nested.body).toMatchObject({ details: { reason: "there is no field budget.token; did you mean tokens?" } });
    const query = await send(at("/api/agents?capabilty=add"));
    expect(query.body).toMatchObject({ status: 400, details: { reason: expect.stringContaining("capability?") } });
  });

  test("says where the token is, in the caller's language", async () => {
    const answer = await send(at("/api/status"), {
      headers: { authorization: "", "accept-language": "zh-CN,zh;q=0.9" },
    });
    expect(answer.headers["www-authenticate"]).toContain("Bearer");
    expect(answer.body).toMatchObject({ detail: "本地接口需要本节点的令牌。请从 /home/me/.easynet/token 读取。" });
  });

  test("answers unknown addresses with a typed 404, and only to callers with the token", async () => {
    expect(await send(at("/api/nothing?x=1"))).toMatchObject({
      status: 404,
      body: { code: "ROUTE_UNKNOWN", details: { method: "GET", path: "/api/nothing" } },
    });
    expect(await send(at("/api/nothing"), { headers: { authorization: "" } })).toMatchObject({ status: 401 });
    expect(await send(at("/api/status"), { method: "DELETE" })).toMatchObject({ status: 404 });
    expect(await send(`${gateway.url}/%zz`)).toMatchObject({ status: 400 });
  });

  test("tells anybody on the machine that it lives, and nothing else", async () => {
    const answer = await send(at("/healthz"), { headers: { authorization: "" } });
    expect(answer).toMatchObject({ status: 200, body: { ok: true } });
    expect(await send(at("/healthz"), { headers: { host: "evil.example" } })).toMatchObject({ status: 421 });
  });
});

describe("the API", () => {
  test("shows the node, its agents and what they can do", async () => {
    expect((await send(at("/api/status"))).body).toMatchObject({ name: "own", did: node.did, counts: { agents: 6 } });
    const { body } = await send(at("/api/agents?capability=add"));
    expect(body).toMatchObject({
      agents: [
        { name: "add", agentType: "function", node: { name: "own", status: "alive" }, capabilities: [{ name: "add" }] },
      ],
    });
    expect((await send(at("/api/agents?agent=nobody"))).body).toEqual({ agents: [] });
  });

  test("calls with positional and named arguments and says who worked on it", async () => {
    const { body } = await send(at("/api/call"), { body: { capability: "add", args: [20, 22], id: "task-1" } });
    expect(body).toMatchObject({
      taskId: "task-1",
      value: 42,
      node: node.did,
      nodeName: "own",
      agent: "add",
      attempts: 1,
    });
    const named = await send(at("/api/call"), { body: { capability: "named", kwargs: { a: { b: 1 } }, priority: 9 } });
    expect(named.body).toMatchObject({ value: { a: { b: 1 } } });
  });

  test("carries bytes and large integers through JSON in both directions", async () => {
    const bytes = { $bytes: Buffer.from([0, 255, 1]).toString("base64") };
    const { body } = await send(at("/api/call"), {
      body: { capability: "echo", args: [{ bytes, big: { $int: "9007199254740993" } }] },
    });
    expect(body).toMatchObject({ value: { bytes, big: { $int: "9007199254740993" } } });
  });

  test("gives failures of the call their status, code and sentence", async () => {
    expect(await send(at("/api/call"), { body: { capability: "nobody-can" } })).toMatchObject({
      status: 404,
      body: { code: "NO_CAPABLE_AGENT", retryable: true },
    });
    expect(await send(at("/api/call"), { body: { capability: "fail" } })).toMatchObject({
      status: 409,
      body: { code: "FUNCTION_FAILED", details: { name: "TypeError", reason: "no" } },
    });
    expect(await send(at("/api/call"), { body: { capability: "wait", timeoutMs: 20 } })).toMatchObject({
      status: 504,
      body: { code: "DEADLINE_EXCEEDED" },
    });
  });

  test("collects the items of a streaming function", async () => {
    const { body } = await send(at("/api/call"), { body: { capability: "count", args: [3] } });
    expect(body).toMatchObject({ items: [1, 2, 3] });
    expect(await send(at("/api/call"), { body: { capability: "count", args: [10_001] } })).toMatchObject({
      status: 429,
      body: { code: "RESULT_TOO_LARGE" },
    });
  });

  test("streams the events of a call to who accepts an event stream", async () => {
    const headers = { accept: "text/event-stream" };
    const answer = await send(at("/api/call"), { body: { capability: "count", args: [2] }, headers });
    expect(answer.headers["content-type"]).toContain("text/event-stream");
    const types = [...answer.text.matchAll(/^event: (.*)$/gm)].map((match) => match[1]);
    expect(types).toEqual(["assigned", "item", "item", "final"]);
    expect(answer.text).toContain('data: {"type":"item","value":2}');
  });

  test("ends the call when its caller hangs up", async () => {
    const started = Promise.withResolvers<AbortSignal>();
    await node.share("hang", async (_args, { signal }) => {
      started.resolve(signal);
      await new Promise(() => undefined);
    });
    const abort = new AbortController();
    const answer = fetch(at("/api/call"), {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      body: '{"capability":"hang"}',
      signal: abort.signal,
    });
    const signal = await started.promise;
    abort.abort();
    await expect(answer).rejects.toThrow("abort");
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    expect(signal.aborted).toBe(true);
  });

  test("streams what happens on the node, and lets go when the reader leaves", async () => {
    const abort = new AbortController();
    const headers = { authorization: `Bearer ${TOKEN}` };
    const before = node.listenersCount;
    const answer = await fetch(at("/api/events"), { headers, signal: abort.signal });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    await reader?.read();
    expect(node.listenersCount).toBe(before + 1);
    await send(at("/api/call"), { body: { capability: "add", args: [1, 1], id: "seen" } });
    let text = "";
    while (!text.includes("task-ended")) text += (await reader?.read())?.value ?? "";
    expect(text).toContain('event: task-started\ndata: {"type":"task-started","taskId":"seen"');
    abort.abort();
    await reader?.read().catch(() => undefined);
    while (node.listenersCount > before) await new Promise((resolve) => setImmediate(resolve));
    expect(node.listenersCount).toBe(before);
  });

  test("opens 64 event streams and refuses one more until one is closed", async () => {
    const other = await startTestGateway();
    // A response that nobody holds is collected, and its stream ends with it.
    const held: Response[] = [];
    const open = async (): Promise<{ status: number; leave: () => void }> => {
      const abort = new AbortController();
      const headers = { authorization: `Bearer ${TOKEN}` };
      const response = await fetch(`${other.gateway.url}/api/events`, { headers, signal: abort.signal });
      held.push(response);
      return { status: response.status, leave: () => abort.abort() };
    };
    const streams = await Promise.all(Array.from({ length: 64 }, open));
    expect(streams.every(({ status }) => status === 200)).toBe(true);
    expect(await send(`${other.gateway.url}/api/events`)).toMatchObject({ status: 429, body: { code: "OVERLOADED" } });
    streams[0]?.leave();
    await expect.poll(async () => (await open()).status, { timeout: 10_000 }).toBe(200);
    expect(held.length).toBeGreaterThan(64);
    await other.gateway.close();
  });

  test("takes 256 calls at once and refuses one more", async () => {
    const other = await startTestGateway();
    const url = `${other.gateway.url}/api/call`;
    const waiting = Array.from({ length: 256 }, () => send(url, { body: { capability: "wait", timeoutMs: 3_000 } }));
    while (other.node.status().counts.tasksRunning < 256) await new Promise((resolve) => setImmediate(resolve));
    expect(await send(url, { body: { capability: "add", args: [1, 1] } })).toMatchObject({
      status: 429,
      body: { code: "OVERLOADED" },
    });
    const answers = await Promise.all(waiting);
    expect(answers.every(({ status }) => status === 504)).toBe(true);
    expect(await send(url, { body: { capability: "add", args: [1, 1] } })).toMatchObject({ status: 200 });
    await other.gateway.close();
  });

  test("connects to a peer and tells why it cannot", async () => {
    const good = await send(at("/api/peers"), { body: { address: "10.0.0.2:7441" } });
    expect(good).toMatchObject({ status: 200, body: { name: "neighbour", direction: "outbound" } });
    expect((await send(at("/api/peers"))).body).toMatchObject({ peers: [{ name: "neighbour" }] });
    expect(await send(at("/api/peers"), { body: { address: "10.0.0.3:7441" } })).toMatchObject({
      status: 503,
      body: { code: "PEER_UNREACHABLE" },
    });
  });

  test("delegates a membership where it has the right, and says so where it has not", async () => {
    const member = generateKeyPair().did;
    const good = await send(at("/api/memberships"), { body: { member } });
    expect(good).toMatchObject({ status: 200, body: { member, networkName: "home" } });
    const other = await startTestGateway();
    const bad = await send(`${other.gateway.url}/api/memberships`, { body: { member } });
    expect(bad).toMatchObject({ status: 412, body: { code: "INVITE_RIGHT_MISSING" } });
    await other.gateway.close();
  });

  test("serves metrics when there are any", async () => {
    expect(await send(at("/metrics"))).toMatchObject({ status: 200, text: "easynet_up 1\n" });
    const other = await startTestGateway();
    expect(await send(`${other.gateway.url}/metrics`)).toMatchObject({ status: 404 });
    await other.gateway.close();
  });

  test("asks for a stop once the answer has left, and only once", async () => {
    expect(await send(at("/api/stop"), { method: "POST" })).toMatchObject({ status: 202, body: { stopping: true } });
    await send(at("/api/stop"), { method: "POST" });
    expect(stopRequests()).toBe(1);
  });
});

describe("starting and closing", () => {
  const base = { token: TOKEN, logger: silentLogger, onStopRequested: () => undefined };

  test("names the port that is taken", async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => {
      blocker.listen(0, "127.0.0.1", resolve);
    });
    const address = blocker.address();
    const taken = typeof address === "object" && address !== null ? address.port : 0;
    await expect(startGateway({ ...base, node: new FakeNode(), port: taken })).rejects.toMatchObject({
      code: "PORT_IN_USE",
      details: { port: taken },
    });
    blocker.close();
  });

  test("refuses to open without a token, on loopback and beyond", async () => {
    for (const host of ["127.0.0.1", "0.0.0.0"]) {
      await expect(startGateway({ ...base, node: new FakeNode(), host, port: 0, token: "" })).rejects.toMatchObject({
        code: "CONFIG_INVALID",
        details: { key: "token" },
      });
    }
  });

  test("beyond loopback serves addresses, but no foreign names", async () => {
    const { gateway: open } = await startTestGateway({ host: "0.0.0.0" });
    const openPort = new URL(open.url).port;
    const url = `http://127.0.0.1:${openPort}/api/status`;
    expect(await send(url, { headers: { host: `192.168.1.20:${openPort}` } })).toMatchObject({ status: 200 });
    expect(await send(url, { headers: { host: `evil.example:${openPort}` } })).toMatchObject({ status: 421 });
    await open.close();
  });

  test("ends streams and running calls when it closes", async () => {
    const { gateway: closing, node: own } = await startTestGateway();
    const headers = { authorization: `Bearer ${TOKEN}` };
    const stream = await fetch(`${closing.url}/api/events`, { headers });
    const reader = stream.body?.getReader();
    await reader?.read();
    await closing.close();
    expect((await reader?.read())?.done).toBe(true);
    expect(own.listenersCount).toBe(0);
    await expect(send(`${closing.url}/healthz`)).rejects.toThrow("ECONNREFUSED");
  });
});

test("an agent whose dependency nobody offers is shown as not ready, until somebody does", async () => {
  verifies("model:capability:dependencies");
  const agent = new FakeAgent({
    name: "translator",
    capabilities: [fakeCapability("翻译", { dependencies: ["tokenise"] })],
  });
  await using _agent = await node.addAgent(agent);
  const missing = async () => (await send(at("/api/agents?agent=translator"))).body;
  expect(await missing()).toMatchObject({ agents: [{ missing: ["tokenise"] }] });
  await using _tokeniser = await node.addAgent(new FakeAgent({ name: "tokeniser", capabilities: ["tokenise"] }));
  expect(await missing()).toMatchObject({ agents: [{ missing: [] }] });
});
