import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
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
      node.delivery.handle(({ payload }) => void seen.push(Buffer.from(payload).toString()));
      return node;
    };
    const other = await open();
    const { did } = other;
    await until("the nodes are linked", () => one.peers().length === 1);
    const send = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) =>
        one.delivery.send(did, { kind: "note", payload: Buffer.from(String(from + index)) }),
      );
    await Promise.all(send(0, 1000).map(async (message) => message.acknowledged));
    await stop(other);
    const later = send(1000, 100);
    await Promise.all(later.map(async (message) => message.stored));
    expect(one.delivery.outbox()).toMatchObject([{ peer: did, priority: "normal", queued: 100 }]);
    await open();
    await Promise.all(later.map(async (message) => message.acknowledged));
    await until("all are handled", () => seen.length === 1100);
    expect(seen).toEqual(Array.from({ length: 1100 }, (_, index) => String(index)));
    expect(one.delivery.outbox()).toEqual([]);
  });
});
