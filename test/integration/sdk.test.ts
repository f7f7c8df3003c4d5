import { getEventListeners } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Client, ComputeNode, type NodeOptions } from "../../packages/easynet/src/index.ts";
import { verifies } from "../requirements.ts";
import { TestNetwork, until } from "../support/network.ts";

verifies("agents:door1:unchanged", "agents:contract:methods");

const quiet: NodeOptions = { listenHost: "127.0.0.1", listenPort: 0, apiPort: 0, mdns: false, logLevel: "silent" };

/** A home folder of a machine where nothing runs yet. */
function machine(): { readonly home: string } & Disposable {
  const home = mkdtempSync(join(tmpdir(), "easynet-sdk-"));
  return { home, [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }) };
}

function calculator(options: NodeOptions & { readonly agent?: string }): ComputeNode {
  return new ComputeNode({ ...quiet, ...options })
    .register("add", (a: number, b: number) => a + b)
    .register("greet", (name: string, greeting = "hello") => `${greeting}, ${name}`)
    .register("count", function* (to: number) {
      for (let number = 1; number <= to; number++) yield number;
    })
    .register("fail", () => {
      throw new TypeError("not today");
    });
}

describe.each(["embedded", "attached"] as const)("door one, functions %s", (kind) => {
  async function setUp(home: string): Promise<AsyncDisposableStack> {
    const stack = new AsyncDisposableStack();
    const first = stack.use(new ComputeNode({ ...quiet, home, agent: "first" }));
    if (kind === "attached") await first.serve();
    const node = stack.use(calculator({ home, agent: "calculator" }));
    expect((await node.serve()).embedded).toBe(kind === "embedded");
    return stack;
  }

  test("a registered function is called by name from a client, positional and named", async () => {
    using place = machine();
    await using _nodes = await setUp(place.home);
    await using client = new Client({ ...quiet, home: place.home });
    expect(await client.execute("add", 1, 2)).toBe(3);
    expect(await client.call("greet", { kwargs: { name: "Ada" } }).result()).toMatchObject({ value: "hello, Ada" });
    expect(await client.execute("greet", "Ada", "hi")).toBe("hi, Ada");
    await expect(client.execute("add", 1)).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });

  test("generators are streams; leaving early cancels; execute collects", async () => {
    using place = machine();
    await using _nodes = await setUp(place.home);
    await using client = new Client({ ...quiet, home: place.home });
    const seen: unknown[] = [];
    for await (const number of client.stream("count", 1_000_000)) {
      seen.push(number);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(await client.execute("count", 4)).toEqual([1, 2, 3, 4]);
  });

  test("agents send each other messages; the answer of the handler comes back", async () => {
    using place = machine();
    await using _nodes = await setUp(place.home);
    const scribe = new ComputeNode({ ...quiet, home: place.home, agent: "scribe" });
    await using _scribe = scribe.registerHandler("note", ({ payload, from }) => ({ noted: payload, from }));
    await scribe.serve();
    await using sender = new ComputeNode({ ...quiet, home: place.home, agent: "sender" });
    await sender.serve();
    const answer = await sender.sendMessage("scribe", "note", { text: "你好" });
    expect(answer).toMatchObject({ noted: { text: "你好" }, from: expect.stringMatching(/^did:key:/) });
    await expect(sender.sendMessage("scribe", "unknown")).rejects.toMatchObject({ code: "MESSAGE_UNKNOWN" });
    await expect(sender.sendMessage("nobody", "note")).rejects.toMatchObject({ code: "NO_CAPABLE_AGENT" });
    const names = (await sender.peers()).map(({ name }) => name);
    expect(names).toContain("scribe");
    expect(names).not.toContain("sender");
    const report = await sender.broadcast("note", 1);
    expect(report.delivered).toHaveLength(1);
    expect(new Set(report.failed.map(({ code }) => code))).toEqual(new Set(["MESSAGE_UNKNOWN"]));
  });

  test("an error arrives with its type", async () => {
    using place = machine();
    await using _nodes = await setUp(place.home);
    await using client = new Client({ ...quiet, home: place.home });
    const error: unknown = await client.execute("fail").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "FUNCTION_FAILED", details: { name: "TypeError", reason: "not today" } });
    expect(error instanceof Error && error.cause).toBeInstanceOf(TypeError);
  });
});

describe("processes of one machine", () => {
  test("a function registered after serve can be called", async () => {
    using place = machine();
    await using node = new ComputeNode({ ...quiet, home: place.home });
    await node.serve();
    await using client = new Client({ ...quiet, home: place.home });
    node.register("late", () => "here");
    let answer: unknown;
    const attempt = async (): Promise<void> => {
      answer = await client.execute("late").catch(() => undefined);
    };
    void attempt();
    await until("late is offered", () => {
      if (answer === undefined) void attempt();
      return answer === "here";
    });
    expect(answer).toBe("here");
  });

  test("registering one more from an attached process does not disturb what runs there", async () => {
    using place = machine();
    await using host = new ComputeNode({ ...quiet, home: place.home, agent: "host" });
    await host.serve();
    const started = Promise.withResolvers<void>();
    const release = Promise.withResolvers<string>();
    await using node = new ComputeNode({ ...quiet, home: place.home, agent: "attached" });
    node.register("slow", () => {
      started.resolve();
      return release.promise;
    });
    await node.serve();
    await using client = new Client({ ...quiet, home: place.home });
    const slow = client.execute("slow");
    await started.promise;
    node.register("late", () => "here");
    let late: unknown;
    await until("late is offered", () => {
      void client.execute("late").then(
        (value) => (late = value),
        () => undefined,
      );
      return late === "here";
    });
    release.resolve("undisturbed");
    expect(await slow).toBe("undisturbed");
  });

  test("a signal that serves many calls is let go by each of them", async () => {
    using place = machine();
    await using node = calculator({ home: place.home });
    await node.serve();
    await using client = new Client({ ...quiet, home: place.home });
    const { signal } = new AbortController();
    for (let a = 0; a < 3; a++) await client.call("add", { args: [a, 1], signal }).result();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  test("when the process that is the node ends, another one becomes it", async () => {
    using place = machine();
    const first = new ComputeNode({ ...quiet, home: place.home, agent: "first" });
    await first.serve();
    await using second = calculator({ home: place.home, agent: "second" });
    expect((await second.serve()).embedded).toBe(false);
    await first.stop();
    await using client = new Client({ ...quiet, home: place.home });
    let answer: unknown;
    await until("second has taken over", () => {
      void client.execute("add", 20, 22).then(
        (sum) => (answer = sum),
        () => undefined,
      );
      return answer !== undefined;
    });
    expect(answer).toBe(42);
  });
});

describe("two machines", () => {
  test("a client's own node calls a function of the other one over the mesh", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const home = await network.prepareHome("laptop");
    await using node = calculator({ home: amber.node.home, agent: "calculator" });
    await node.serve();
    await using client = new Client({ ...quiet, home });
    const { value, node: where } = await client.call("add", { args: [1, 2] }).result();
    expect({ value, where }).toEqual({ value: 3, where: "amber" });
    expect((await client.connect()).embedded).toBe(true);
  });
});
