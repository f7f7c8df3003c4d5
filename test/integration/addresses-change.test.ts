import { describe, expect, test } from "vitest";
import { callOn, share, TestNetwork, until } from "../support/network.ts";
import type { ServedNode } from "../../packages/easynet/src/gateway/index.ts";
import { verifies } from "../requirements.ts";

function isLinked(one: ServedNode, other: ServedNode): boolean {
  return one.node.peers().some(({ did, via }) => did === other.node.did && via === undefined);
}

describe("members whose addresses have all changed", () => {
  verifies("mesh:p2p:join", "mesh:discovery:dht");

  test("find each other again through one member that kept its own and carries nothing", async () => {
    await using network = new TestNetwork();
    const anchor = await network.start("anchor", { relay: false });
    const bootstrap = anchor.node.status().addresses;
    const before = [await network.start("amber", { bootstrap }), await network.start("cobalt", { bootstrap })] as const;
    await until("they are linked", () => isLinked(before[0], before[1]) && isLinked(before[1], before[0]));
    const old = before.map(({ node }) => [node.did, node.status().addresses] as const);
    for (const served of before) await served.stop();
    // Longer than one restart apart: neither finds the other by an address that it remembers.
    const amber = await network.start("amber", { bootstrap });
    await until("amber is back", () => isLinked(amber, anchor));
    await share(amber, { double: (value: number) => value * 2 });
    const cobalt = await network.start("cobalt", { bootstrap });
    await until("they are linked again", () => isLinked(amber, cobalt) && isLinked(cobalt, amber));
    expect([amber, cobalt].map(({ node }) => node.did)).toEqual(old.map(([did]) => did));
    for (const [index, { node }] of [amber, cobalt].entries()) {
      expect(node.status().addresses).not.toEqual(old[index]?.[1]);
    }
    await until("its function is known", () =>
      cobalt.node.offers().some(({ capability }) => capability.name === "double"),
    );
    expect((await callOn(cobalt, "double", { args: [21] })).end).toMatchObject({ type: "final", value: 42 });
  });
});
