import { describe, expect, test } from "vitest";
import { Namespaces, type RemoteNode, routersMissing } from "../support/namespaces.ts";
import { verifies } from "../requirements.ts";

const missing = routersMissing();

/** As of most routers: a connection keeps its port number, and what nobody asked for is dropped. */
const HOME_ROUTER = "masquerade";
/** As of some companies and mobile networks: each destination sees another port. */
const SYMMETRIC_ROUTER = "masquerade random,fully-random";

/** a and c behind routers of their own, b in the open between them. */
async function homes(world: Namespaces, kind: string): Promise<{ a: RemoteNode; b: RemoteNode; c: RemoteNode }> {
  for (const label of ["a", "ra", "w", "b", "rc", "c"]) world.add(label);
  world.join("a", "ra", ["192.168.1.2/24", "192.168.1.1/24"]);
  world.join("c", "rc", ["192.168.1.2/24", "192.168.1.1/24"]);
  world.join("ra", "w", ["10.70.1.2/24", "10.70.1.1/24"]);
  world.join("rc", "w", ["10.70.2.2/24", "10.70.2.1/24"]);
  world.join("b", "w", ["10.70.3.2/24", "10.70.3.1/24"]);
  for (const label of ["a", "c"]) world.ip(label, "route", "add", "default", "via", "192.168.1.1");
  world.ip("b", "route", "add", "default", "via", "10.70.3.1");
  for (const label of ["ra", "w", "rc"]) world.forwards(label);
  for (const [label, gateway] of [["ra", "10.70.1.1"] as const, ["rc", "10.70.2.1"] as const]) {
    world.ip(label, "route", "add", "default", "via", gateway);
    world.run(label, "nft", "add table ip t");
    world.run(label, "nft", "add chain ip t out { type nat hook postrouting priority 100 ; }");
    world.run(label, "nft", `add rule ip t out oifname "to-w" ${kind}`);
    world.run(label, "nft", "add chain ip t in { type filter hook input priority 0 ; }");
    world.run(label, "nft", 'add rule ip t in iifname "to-w" ct state new drop');
  }
  const [a, b, c] = [await world.start("a"), await world.start("b"), await world.start("c")];
  await a.connect("10.70.3.2:7441");
  await c.connect("10.70.3.2:7441");
  return { a, b, c };
}

async function wayTo(node: RemoteNode, other: RemoteNode): Promise<string> {
  const peer = (await node.peers()).find(({ did }) => did === other.did);
  return peer ? (peer.via ?? "direct") : "none";
}

describe.skipIf(missing !== undefined)(
  `nodes behind routers of their own${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    verifies("mesh:route:forward", "mesh:transport:links");

    test("get from a relayed link to a direct one under load, and no call is lost", async () => {
      await using world = new Namespaces();
      const { a, b, c } = await homes(world, HOME_ROUTER);
      await expect.poll(() => wayTo(a, c), { timeout: 20_000 }).toBe("b");
      const ended = { a: new Set<unknown>(), c: new Set<unknown>() };
      const done = new AbortController();
      const load = async (from: RemoteNode, capability: string, ends: Set<unknown>): Promise<void> => {
        while (!done.signal.aborted) {
          const { value, code } = await from.call(capability, "x");
          ends.add(value ?? code);
        }
      };
      // Several at a time in each direction: there is no moment in which nothing is under way.
      const calls = [1, 2, 3].flatMap(() => [load(a, "echo-c", ended.a), load(c, "echo-a", ended.c)]);
      await expect.poll(() => wayTo(a, c), { timeout: 20_000 }).toBe("direct");
      await expect.poll(() => wayTo(c, a)).toBe("direct");
      await a.call("echo-c", "over the direct link");
      done.abort();
      await Promise.all(calls);
      expect([[...ended.a], [...ended.c]]).toEqual([["c: x"], ["a: x"]]);
      expect(await wayTo(a, b)).toBe("direct");
    }, 60_000);

    test("stay relayed where a router gives each destination another port, and calls work", async () => {
      await using world = new Namespaces();
      const { a, c } = await homes(world, SYMMETRIC_ROUTER);
      await expect.poll(() => wayTo(a, c), { timeout: 20_000 }).toBe("b");
      // Longer than the first punch takes.
      await new Promise<void>((resolve) => {
        setTimeout(resolve, 8000);
      });
      expect([await wayTo(a, c), await wayTo(c, a)]).toEqual(["b", "b"]);
      expect(await a.call("echo-c", "through b")).toMatchObject({ value: "c: through b" });
    }, 60_000);
  },
);
