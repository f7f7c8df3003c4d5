import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generateKeyPair } from "../../packages/easynet/src/identity/index.ts";
import { Home } from "../../packages/easynet/src/node/index.ts";
import { verifies } from "../requirements.ts";
import { callOn, share, TestNetwork, until } from "../support/network.ts";

verifies("mesh:p2p:join", "mesh:p2p:no-centre", "identity:auth:certificate");

const add = (a: number, b: number): number => a + b;

async function threeNodes(network: TestNetwork) {
  const amber = await network.start("amber");
  const [cobalt, jade] = [await network.start("cobalt"), await network.start("jade")];
  await until("all three are linked", () => network.nodes.every(({ node }) => node.status().counts.nodes === 3));
  return { amber, cobalt, jade };
}

describe("three nodes, one network", () => {
  test("a function of one is called from another, and the answer says where it ran", async () => {
    await using network = new TestNetwork();
    const { amber, cobalt } = await threeNodes(network);
    await share(cobalt, { add });
    await until("amber hears of it", () => amber.node.offers({ capability: "add" }).length === 1);
    const { events, end } = await callOn(amber, "add", { args: [2, 3] });
    expect(end).toMatchObject({ type: "final", value: 5 });
    expect(events[0]).toMatchObject({ type: "assigned", nodeName: "cobalt" });
  });

  test("killing the node that created the network changes nothing for the others", async () => {
    await using network = new TestNetwork();
    const { amber, cobalt, jade } = await threeNodes(network);
    await share(jade, { add });
    await amber.stop();
    await until("cobalt hears of it", () => cobalt.node.offers({ capability: "add" }).length === 1);
    expect((await callOn(cobalt, "add", { args: [1, 1] })).end).toMatchObject({ value: 2 });
    await until("amber is gone", () => cobalt.node.status().counts.nodes === 2);
  });

  test("a dead bootstrap address is passed over, the next one is used", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const dead = `127.0.0.1:9#${generateKeyPair().did}`;
    const cobalt = await network.start("cobalt", { bootstrap: [dead, amber.node.status().addresses[0] ?? ""] });
    await until("linked", () => cobalt.node.peers().length === 1);
    expect(cobalt.node.peers()[0]?.did).toBe(amber.node.did);
  });

  test("a node of another network is refused before it can ask anything", async () => {
    await using network = new TestNetwork();
    await using strangers = new TestNetwork();
    const amber = await network.start("amber");
    const stranger = await strangers.start("stranger");
    await share(amber, { add });
    const address = amber.node.status().addresses[0] ?? "";
    await expect(stranger.node.connect(address)).rejects.toThrow(/network/);
    expect(stranger.node.offers({ capability: "add" })).toHaveLength(0);
    expect(amber.node.peers()).toHaveLength(0);
    expect((await callOn(amber, "add", { args: [1, 2] })).end).toMatchObject({ value: 3 });
  });

  test("a membership that was made for another key does not start a node", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const thief = new Home(join(network.folder, "thief"));
    const stolen = await amber.node.delegateMembership(generateKeyPair().did);
    writeFileSync(join(thief.path, "membership.json"), JSON.stringify(stolen));
    await expect(network.start("thief")).rejects.toMatchObject({ code: "MEMBERSHIP_INVALID" });
  });

  test("streams, errors with their type, unknown functions and bad arguments cross the network as themselves", async () => {
    await using network = new TestNetwork();
    const { amber, cobalt } = await threeNodes(network);
    await share(cobalt, {
      add,
      count: function* (to: number) {
        for (let number = 1; number <= to; number++) yield number;
      },
      fail: () => {
        throw new RangeError("out of range");
      },
    });
    await until("amber hears of it", () => amber.node.offers({ capability: "fail" }).length === 1);
    const { events } = await callOn(amber, "count", { args: [200] });
    const items = events.flatMap((event) => (event.type === "item" ? [event.value] : []));
    expect(items).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    expect((await callOn(amber, "fail")).end).toMatchObject({
      error: { code: "FUNCTION_FAILED", details: { name: "RangeError", reason: "out of range" } },
    });
    expect((await callOn(amber, "add", { args: [1, 2, 3] })).end).toMatchObject({ error: { code: "INPUT_INVALID" } });
    expect((await callOn(amber, "nothing", { timeoutMs: 50 })).end).toMatchObject({
      error: { code: "NO_CAPABLE_AGENT" },
    });
  });

  test("twenty megabytes come back whole", async () => {
    await using network = new TestNetwork();
    const { amber, cobalt } = await threeNodes(network);
    await share(cobalt, { fill: (length: number) => new Uint8Array(length).map((_, index) => index % 251) });
    await until("amber hears of it", () => amber.node.offers({ capability: "fill" }).length === 1);
    const { end } = await callOn(amber, "fill", { args: [20_000_000] });
    const bytes = end.type === "final" ? end.value : undefined;
    expect(bytes).toBeInstanceOf(Uint8Array);
    expect(Buffer.from(bytes instanceof Uint8Array ? bytes : []).every((byte, index) => byte === index % 251)).toBe(
      true,
    );
    expect(bytes instanceof Uint8Array && bytes.length).toBe(20_000_000);
  });

  test("a call that is cancelled stops where it runs", async () => {
    await using network = new TestNetwork();
    const { amber, cobalt } = await threeNodes(network);
    const stopped = Promise.withResolvers<string>();
    const { functionAgent } = await import("../../packages/easynet/src/agents/index.ts");
    const agent = functionAgent({ name: "slow" });
    agent.register(
      "wait",
      (context: { signal: AbortSignal }) =>
        new Promise((_, reject) => {
          context.signal.addEventListener("abort", () => {
            stopped.resolve("stopped");
            reject(new Error("aborted"));
          });
        }),
      { withContext: true },
    );
    await cobalt.node.addAgent(agent);
    await until("amber hears of it", () => amber.node.offers({ capability: "wait" }).length === 1);
    const controller = new AbortController();
    const events: string[] = [];
    for await (const event of amber.node.call(
      { capability: "wait", input: { args: [], kwargs: {} } },
      { signal: controller.signal },
    )) {
      events.push(event.type === "error" ? event.error.code : event.type);
      if (event.type === "assigned") setImmediate(() => controller.abort());
    }
    expect(events).toEqual(["assigned", "CANCELLED"]);
    await expect(stopped.promise).resolves.toBe("stopped");
  });
});
