import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import { Home, loadConfig, startNode, type StartedNode } from "../../packages/easynet/src/node/index.ts";
import { until } from "../support/network.ts";

type RunningNode = StartedNode["node"];

const folder = mkdtempSync(join(tmpdir(), "easynet-test-"));
const running = new Set<RunningNode>();

afterEach(async () => {
  await Promise.all([...running].map(async (node) => node.stop()));
  rmSync(folder, { recursive: true, force: true });
});

async function start(name: string, bootstrap: readonly string[]): Promise<RunningNode> {
  const options = { home: join(folder, name), name, listenHost: "127.0.0.1", listenPort: 0, mdns: false, bootstrap };
  const { node } = await startNode(loadConfig({ env: {}, flags: { ...options, logLevel: "silent" } }));
  running.add(node);
  return node;
}

async function stop(node: RunningNode): Promise<void> {
  running.delete(node);
  await node.stop();
}

describe("messages between real nodes", () => {
  test("arrive once and in order, also those that were sent while the other node was down", async () => {
    const one = await start("one", []);
    const home = new Home(join(folder, "other"));
    home.saveMembership(await one.delegateMembership(home.nodeKey().did));
    const seen: string[] = [];
    const open = async (): Promise<RunningNode> => {
      const node = await start("other", one.status().addresses);
      const agent = functionAgent({ name: "reader" });
      agent.registerHandler("note", ({ payload }) => void seen.push(String(payload)));
      await node.addAgent(agent);
      return node;
    };
    const other = await open();
    const { did } = other;
    await until("the nodes are linked", () => one.peers().length === 1);
    await until("one knows the reader", () => one.status().counts.agents === 1);
    const send = (from: number, count: number, wait: "stored" | "acknowledged") =>
      Promise.all(
        Array.from({ length: count }, (_, index) =>
          one.messages.send("reader", { kind: "note", payload: String(from + index), wait, durability: "disk" }),
        ),
      );
    await send(0, 1000, "acknowledged");
    await stop(other);
    await send(1000, 100, "stored");
    expect(one.messages.outbox()).toMatchObject([{ peer: did, priority: "normal", queued: 100 }]);
    await open();
    await until("all are handled", () => seen.length === 1100);
    expect(seen).toEqual(Array.from({ length: 1100 }, (_, index) => String(index)));
    await until("nothing waits", () => one.messages.outbox().length === 0);
  });
});
