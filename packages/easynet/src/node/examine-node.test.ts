import { describe, expect, test } from "vitest";
import { EasynetError } from "../kernel/index.ts";
import type { Peer } from "../mesh/index.ts";
import { fakeDid, offerOf } from "../testing/index.ts";
import { examineNode, type ExaminedNode } from "./examine-node.ts";

const [self, desk, lamp, door] = [fakeDid(1), fakeDid(2), fakeDid(3), fakeDid(4)];

function peer(did: typeof desk, name: string, changes: Partial<Peer> = {}): Peer {
  const shared = { address: "x", direction: "inbound", connectedAtMs: 0, rttMs: 1, epoch: 1 } as const;
  return { did, name, ...shared, ...changes };
}

interface World {
  readonly peers?: readonly Peer[];
  readonly heard?: readonly {
    readonly did: typeof desk;
    readonly name: string;
    readonly addresses: readonly string[];
  }[];
  readonly known?: ReadonlyMap<typeof desk, readonly string[]>;
  /** Addresses at which somebody answers. */
  readonly open?: readonly string[];
  readonly duplicate?: ExaminedNode["duplicate"];
}

function nodeIn({ peers = [], heard = [], known = new Map(), open = [], duplicate }: World): ExaminedNode {
  const entries = [...known].map(([did, addresses]) => {
    const { node } = offerOf({ node: did, capability: "x" });
    return { ...node, did, record: { ...node.record, name: "told", addresses: [...addresses] } };
  });
  return {
    name: "here",
    mesh: {
      self,
      peers: () => peers,
      addresses: () => ["/ip4/10.0.0.1/tcp/7441"],
      connect: async (address) => {
        if (open.includes(address)) return peer(door, "door");
        throw new EasynetError("PEER_UNREACHABLE", { peer: address, reason: "nothing answers there" });
      },
    },
    mdns: { status: () => ({ interfaces: [], heard, foreignCount: 0, malformedCount: 0 }) },
    directory: { nodes: () => entries },
    duplicate,
  };
}

async function factsOf(
  world: World,
): Promise<readonly (readonly [string, Readonly<Record<string, string | number>>])[]> {
  const findings = await examineNode(nodeIn(world));
  return findings.map(({ fact, values }) => [fact, values]);
}

describe("what a running node finds", () => {
  test("how each member is reached, and through whom", async () => {
    const facts = await factsOf({ peers: [peer(desk, "desk"), peer(lamp, "lamp", { via: desk })] });
    expect(facts).toContainEqual(["reach-direct", { name: "desk" }]);
    expect(facts).toContainEqual(["reach-relayed", { name: "lamp", via: "desk" }]);
  });

  test("why a member cannot be reached: every address with what it said", async () => {
    const known = new Map([[desk, ["/ip4/10.0.0.2/tcp/7441/p2p/x", "/ip4/10.0.0.3/tcp/1/p2p/x"]]]);
    const attempts = "10.0.0.2:7441: nothing answers there; 10.0.0.3:1: nothing answers there";
    expect(await factsOf({ known })).toContainEqual(["reach-failed", { name: "told", attempts }]);
    expect(await factsOf({ known, open: ["/ip4/10.0.0.3/tcp/1/p2p/x"] })).toContainEqual([
      "reach-linked-now",
      { name: "told", address: "/ip4/10.0.0.3/tcp/1/p2p/x" },
    ]);
    expect(await factsOf({ known: new Map([[desk, []]]) })).toContainEqual(["reach-no-address", { name: "told" }]);
    expect(await factsOf({})).toContainEqual(["reach-nobody", {}]);
  });

  test("counts whom it did not try, and takes for right that a large network links nobody to all", async () => {
    const some = new Map(Array.from({ length: 20 }, (_, index) => [fakeDid(100 + index), ["/ip4/10.0.0.2/tcp/1"]]));
    const few = await factsOf({ peers: [peer(desk, "desk")], known: some });
    expect(few.filter(([fact]) => fact === "reach-failed")).toHaveLength(16);
    expect(few).toContainEqual(["reach-more", { linked: 1, members: 21, left: 4 }]);

    const many = new Map(Array.from({ length: 300 }, (_, index) => [fakeDid(100 + index), ["/ip4/10.0.0.2/tcp/1"]]));
    const heard = [{ did: fakeDid(100), name: "unlinked", addresses: [] }];
    const facts = await factsOf({ peers: [peer(desk, "desk")], known: many, heard });
    expect(facts).toContainEqual(["reach-view", { linked: 1, members: 301 }]);
    expect(facts).toContainEqual(["heard-linked", { heard: 1, linked: 0 }]);
    expect(facts.map(([fact]) => fact)).not.toContain("reach-failed");
    // Linked to nobody is wrong in any network.
    expect((await factsOf({ known: many })).map(([fact]) => fact)).toContain("reach-failed");
  });

  test("another process with its key, and which of the two waits", async () => {
    const address = "/ip4/10.0.0.7/tcp/7441";
    expect(await factsOf({})).toContainEqual(["identity-alone", {}]);
    const later = await factsOf({ duplicate: { address, steppedBack: true } });
    expect(later).toContainEqual(["identity-twin-first", { address }]);
    const first = await factsOf({ duplicate: { address, steppedBack: false } });
    expect(first).toContainEqual(["identity-twin", { address }]);
  });

  test("who is heard by multicast and not linked", async () => {
    const heard = [
      { did: desk, name: "desk", addresses: [] },
      { did: lamp, name: "lamp", addresses: ["/ip4/10.0.0.9/tcp/7441"] },
    ];
    const facts = await factsOf({ heard, peers: [peer(desk, "desk")] });
    expect(facts).toContainEqual(["heard-unlinked", { heard: 2, linked: 1, names: "lamp" }]);
    expect(await factsOf({ heard: heard.slice(0, 1), peers: [peer(desk, "desk")] })).toContainEqual([
      "heard-linked",
      { heard: 1, linked: 1 },
    ]);
  });

  test.each([
    ["clock-ok", [200, -100, 90_000], "0.2"],
    ["clock-off", [6000, 6100], "6.1"],
    ["clock-wrong", [-70_000], "70.0"],
  ] as const)("the clock against the median of the others: %s", async (fact, offsets, seconds) => {
    const peers = offsets.map((clockOffsetMs, index) => peer(fakeDid(10 + index), "x", { clockOffsetMs }));
    expect(await factsOf({ peers })).toContainEqual([fact, { seconds, count: offsets.length }]);
  });
});
