import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { seededRandom, silentLogger } from "../kernel/index.ts";
import { MemoryStore } from "../storage/index.ts";
import { type AgentDescription, someCapability, someRecord } from "../testing/directory-fixture.ts";
import { CountingMetrics } from "../testing/exchange-pair.ts";
import { fakeKeyPair, FakeNetwork, type FakeNetworkOptions, VirtualClock } from "../testing/index.ts";
import { createDirectory } from "./directory.ts";

function setUp(options: Partial<FakeNetworkOptions> = {}) {
  const clock = new VirtualClock();
  const network = new FakeNetwork({ clock, latencyMs: 1, ...options });
  const node = (number: number, extra: { readonly epoch?: number; readonly store?: MemoryStore } = {}) => {
    const keyPair = fakeKeyPair(number);
    const mesh = network.join(keyPair.did, { epoch: extra.epoch ?? 1 });
    const metrics = new CountingMetrics();
    const random = seededRandom(number);
    const directory = createDirectory({
      mesh,
      keyPair,
      clock,
      random,
      logger: silentLogger,
      metrics,
      epoch: 1,
      ...extra,
    });
    const publish = (agents: readonly AgentDescription[] = [], name = `n${number}`): Promise<void> =>
      directory.publish(someRecord(mesh.self, agents, name));
    return { mesh, metrics, directory, publish, did: mesh.self };
  };
  return { clock, network, node };
}

const adder: AgentDescription = { name: "adder", capabilities: [someCapability("add", { tags: ["maths"] })] };

describe("a directory", () => {
  verifies("mesh:discovery:api");

  test("of one node finds its own agents", async () => {
    const { node } = setUp();
    const { directory, publish, did } = node(1);
    await directory.start();
    await publish([adder]);
    expect(directory.find({ capability: "add" })).toMatchObject([
      { node: { did, status: "alive" }, card: { name: "adder" }, capability: { name: "add" } },
    ]);
    expect(directory.nodes()).toMatchObject([{ did, status: "alive", record: { name: "n1" } }]);
  });

  test("brings a change to a linked node at once", async () => {
    const { clock, network, node } = setUp();
    const [one, two] = [node(1), node(2)];
    await one.publish();
    await two.publish();
    network.link(one.did, two.did);
    await clock.advanceAsync(10);
    await two.publish([adder]);
    await clock.advanceAsync(2);
    expect(one.directory.find({ capability: "add" })).toHaveLength(1);
    await two.publish([]);
    await clock.advanceAsync(2);
    expect(one.directory.find({ capability: "add" })).toHaveLength(0);
    expect(one.directory.find({ capability: "toString" })).toHaveLength(0);
  });

  test("brings nodes that were never linked together, and lets them dial each other", async () => {
    const { clock, network, node } = setUp();
    const nodes = [node(1), node(2), node(3), node(4)];
    for (const { publish } of nodes) await publish([adder]);
    for (let index = 1; index < 4; index++) network.link(nodes[index - 1]!.did, nodes[index]!.did);
    await clock.advanceAsync(50);
    for (const { directory, mesh } of nodes) {
      expect(directory.find({ capability: "add" })).toHaveLength(4);
      expect(mesh.peers()).toHaveLength(3);
    }
  });

  test("searches by capability, agent, type and tag; names are labels and may be shared", async () => {
    const { clock, network, node } = setUp();
    const [one, two] = [node(1), node(2)];
    network.link(one.did, two.did);
    await one.publish([adder], "same");
    await two.publish(
      [
        { ...adder, agentType: "model" },
        { name: "x", capabilities: [someCapability("翻译")] },
      ],
      "same",
    );
    await clock.advanceAsync(10);
    const { directory } = one;
    expect(directory.find({ capability: "add" })).toHaveLength(2);
    expect(directory.find({ capability: "add", agent: "adder" })).toHaveLength(2);
    expect(directory.find({ capability: "add", agent: two.did })).toMatchObject([{ node: { did: two.did } }]);
    const [offer] = directory.find({ agentType: "model" });
    expect(directory.find({ agent: offer?.card.id ?? "none" })).toEqual([offer]);
    expect(directory.find({ tags: ["maths"] })).toHaveLength(2);
    expect(directory.find({ capability: "翻译" })).toHaveLength(1);
    expect(directory.find({})).toHaveLength(3);
    expect(directory.find({ capability: "add", agentType: "model", tags: ["none"] })).toHaveLength(0);
  });

  test("has a large record verified elsewhere, and takes it whole", async () => {
    const { clock, network, node } = setUp();
    const [one, two] = [node(1), node(2)];
    network.link(one.did, two.did);
    const long = { description: "x".repeat(2000) };
    const agents = Array.from({ length: 50 }, (_, index) => ({
      name: `agent${index}`,
      capabilities: [someCapability(`work${index}`, long), someCapability("shared", long)],
    }));
    await two.publish(agents);
    const { promise: known, resolve } = Promise.withResolvers<number>();
    one.directory.on("node-changed", ({ record }) => resolve(record.cards.length));
    await clock.advanceAsync(10);
    // Threads know nothing of the virtual clock.
    expect(await known).toBe(50);
    expect(one.directory.find({ capability: "shared" })).toHaveLength(50);
    expect(one.directory.find({ capability: "work49" })).toHaveLength(1);
  });

  test("publishes the last of two records, though the first takes longer to check", async () => {
    const { node } = setUp();
    const { directory, publish } = node(1);
    const many = Array.from({ length: 40 }, (_, index) => ({ ...adder, name: `agent${index}` }));
    await Promise.all([publish(many), publish([])]);
    expect(directory.find({})).toHaveLength(0);
    expect(directory.nodes()).toMatchObject([{ status: "alive" }]);
  });

  test("that left does not come back with a record that was still being checked", async () => {
    const { node } = setUp();
    const { directory, publish } = node(1);
    await publish();
    const late = publish([adder]);
    await directory.leave();
    await late;
    expect(directory.find({})).toHaveLength(0);
  });

  test("tells its listeners of nodes that come, change and go", async () => {
    const { clock, network, node } = setUp();
    const [one, two] = [node(1), node(2)];
    const log: string[] = [];
    one.directory.on("node-changed", ({ did, status, record }) => {
      if (did === two.did) log.push(`${status} ${record.cards.length}`);
    });
    const gone = one.directory.on("node-gone", (did, status) => log.push(`gone ${did === two.did} ${status}`));
    await two.publish();
    network.link(one.did, two.did);
    await clock.advanceAsync(10);
    await two.publish([adder]);
    await clock.advanceAsync(10);
    network.crash(two.did);
    await clock.advanceAsync(5000);
    expect(log).toEqual(["alive 0", "alive 1", "suspect 1", "gone true dead"]);
    gone[Symbol.dispose]();
  });
});

describe("a node that goes", () => {
  test("by leave() is forgotten by all at once", async () => {
    const { clock, network, node } = setUp();
    const nodes = [node(1), node(2), node(3)];
    for (const { publish, did } of nodes) {
      await publish([adder]);
      network.link(did, nodes[0]!.did);
    }
    await clock.advanceAsync(20);
    const leaving = nodes[0]!.directory.leave();
    await clock.advanceAsync(3);
    await leaving;
    for (const { directory, mesh } of nodes.slice(1)) {
      expect(directory.nodes().map(({ did }) => did)).not.toContain(nodes[0]!.did);
      expect(mesh.learnt.has(nodes[0]!.did)).toBe(false);
    }
  });

  test("by a crash is not offered from the moment its link ends, and dead after 3 s", async () => {
    const { clock, network, node } = setUp();
    const nodes = [node(1), node(2), node(3)];
    for (const { publish, did } of nodes) {
      await publish([adder]);
      network.link(did, nodes[0]!.did);
    }
    await clock.advanceAsync(20);
    network.crash(nodes[0]!.did);
    await clock.advanceAsync(1);
    for (const { directory } of nodes.slice(1)) {
      expect(directory.find({ capability: "add" })).toHaveLength(2);
      expect(
        directory
          .nodes()
          .map(({ status }) => status)
          .sort(),
      ).toEqual(["alive", "alive", "suspect"]);
    }
    await clock.advanceAsync(3000);
    for (const { directory } of nodes.slice(1)) expect(directory.nodes()).toHaveLength(2);
  });

  test("out of sight of one member only stays, because another one vouches for it", async () => {
    const { clock, network, node } = setUp();
    const nodes = [node(1), node(2), node(3)];
    const [one, two] = [nodes[0]!, nodes[1]!];
    for (const { publish, did } of nodes) {
      await publish([adder]);
      network.link(did, one.did);
    }
    await clock.advanceAsync(20);
    network.partition((from, to) => !(from === one.did && to === two.did) && !(from === two.did && to === one.did));
    await clock.advanceAsync(10);
    expect(one.directory.find({ capability: "add" })).toHaveLength(3);
    await clock.advanceAsync(300_000);
    expect(one.directory.find({ capability: "add" })).toHaveLength(3);
    expect(two.directory.find({ capability: "add" })).toHaveLength(3);
  });

  test("and returns as a new process is seen with what the new one offers", async () => {
    const { clock, network, node } = setUp();
    const [one, two] = [node(1), node(2)];
    network.link(one.did, two.did);
    await one.publish();
    await two.publish([adder]);
    await clock.advanceAsync(10);
    network.crash(two.did);
    await clock.advanceAsync(5000);
    const reborn = node(2, { epoch: 2 });
    await reborn.publish([{ name: "other", capabilities: [someCapability("other")] }]);
    await clock.advanceAsync(10);
    network.link(one.did, reborn.did);
    await clock.advanceAsync(10);
    expect(one.directory.find({ capability: "add" })).toHaveLength(0);
    expect(one.directory.find({ capability: "other" })).toHaveLength(1);
  });

  test("and returns with a lower epoch finds out, and is seen all the same", async () => {
    const { clock, network, node } = setUp();
    const one = node(1);
    const two = node(2, { epoch: 900 });
    network.link(one.did, two.did);
    await two.publish([adder]);
    await clock.advanceAsync(10);
    network.crash(two.did);
    await clock.advanceAsync(5000);
    const reborn = node(2, { epoch: 5 });
    await reborn.publish([{ name: "other", capabilities: [someCapability("other")] }]);
    network.link(one.did, reborn.did);
    await clock.advanceAsync(3000);
    expect(one.directory.find({ capability: "other" })).toHaveLength(1);
    expect(one.directory.find({ capability: "add" })).toHaveLength(0);
  });
});

describe("the load of a node", () => {
  const load = { running: 1, queued: 0, slots: 4, cpuRatio: 0.5, memoryRatio: 0.25 };

  test("reaches linked nodes each second, and sooner when it changes by more than a task", async () => {
    const { clock, network, node } = setUp();
    const [one, two] = [node(1), node(2)];
    await one.directory.start();
    await two.directory.start();
    await two.publish([adder]);
    network.link(one.did, two.did);
    await clock.advanceAsync(10);
    const seen = () => one.directory.find({ capability: "add" })[0]?.node.load;
    two.directory.setLoad(load);
    await clock.advanceAsync(2);
    expect(seen()).toEqual(load);
    two.directory.setLoad({ ...load, running: 2 });
    await clock.advanceAsync(50);
    expect(seen()?.running).toBe(1);
    two.directory.setLoad({ ...load, running: 4 });
    await clock.advanceAsync(60);
    expect(seen()?.running).toBe(4);
    two.directory.setLoad({ ...load, running: 3 });
    await clock.advanceAsync(1100);
    expect(seen()?.running).toBe(3);
    expect(two.directory.nodes().find(({ did }) => did === two.did)?.load?.running).toBe(3);
  });

  test("changes travel at most ten times a second", async () => {
    const { clock, network, node } = setUp();
    const [one, two] = [node(1), node(2)];
    await one.directory.start();
    await two.directory.start();
    await two.publish([]);
    network.link(one.did, two.did);
    await clock.advanceAsync(10);
    const before = network.deliveredCount;
    for (let step = 0; step < 1000; step++) {
      two.directory.setLoad({ ...load, running: step * 2 });
      clock.advance(1);
    }
    expect(network.deliveredCount - before).toBeLessThanOrEqual(11);
  });
});

describe("the addresses of members", () => {
  test("are kept over a restart, so that a node finds its network by itself", async () => {
    const { clock, network, node } = setUp();
    const store = new MemoryStore();
    const [one, two] = [node(1, { store }), node(2)];
    await one.directory.start();
    await one.publish();
    await two.publish([adder]);
    network.link(one.did, two.did);
    await clock.advanceAsync(10);
    network.crash(one.did);
    await one.directory.stop();
    await clock.advanceAsync(100);
    two.mesh.learnt.clear();
    const again = node(1, { store, epoch: 2 });
    await again.directory.start();
    await clock.advanceAsync(10);
    expect(again.directory.find({ capability: "add" })).toHaveLength(1);
  });
});
