import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import {
  generateKeyPair,
  issueMembership,
  type KeyPair,
  verifyMembership,
} from "../../packages/easynet/src/identity/index.ts";
import {
  isEasynetError,
  noMetrics,
  silentLogger,
  systemClock,
  systemRandom,
} from "../../packages/easynet/src/kernel/index.ts";
import {
  createLibp2pFabric,
  createMdns,
  createMesh,
  type Mesh,
  type MeshConfig,
  networkTag,
} from "../../packages/easynet/src/mesh/index.ts";
import { verifies } from "../requirements.ts";

const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: noMetrics };
const TEST_FRAME = 200;
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

interface Node {
  readonly mesh: Mesh;
  readonly keyPair: KeyPair;
  readonly port: number;
}

async function startNode(
  root: KeyPair,
  options: { keyPair?: KeyPair; port?: number; config?: Partial<MeshConfig> } = {},
): Promise<Node> {
  const { keyPair = generateKeyPair(), port = 0, config = {} } = options;
  const fabric = await createLibp2pFabric({ keyPair, listenAddresses: [`127.0.0.1:${port}`], ...ports });
  const mesh = createMesh({
    fabric,
    network: root.did,
    name: "node",
    membership: await issueMembership(root, keyPair.did, { nowMs: Date.now(), timeToLiveMs: 3_600_000 }),
    verifyMember: (bytes, member) => verifyMembership(bytes, { network: root.did, member, nowMs: Date.now() }),
    config,
    ...ports,
  });
  await mesh.start();
  stops.push(() => mesh.stop());
  return { mesh, keyPair, port: Number(/\/tcp\/(\d+)\//.exec(mesh.addresses()[0] ?? "")?.[1]) };
}

async function startDiscovery(node: Node, root: KeyPair): Promise<void> {
  const mdns = createMdns({
    interfaces: ["lo"],
    networkTag: networkTag(root.did),
    did: node.keyPair.did,
    name: "node",
    port: node.port,
    onHint: ({ did, addresses }) => node.mesh.learn(did, addresses),
    ...ports,
  });
  stops.push(() => mdns.stop());
  await mdns.start();
}

function address(node: Node): string {
  return node.mesh.addresses()[0] ?? "";
}

function peersOf(node: Node): readonly string[] {
  return node.mesh
    .peers()
    .map((peer) => peer.did)
    .sort();
}

function didsOf(...nodes: readonly Node[]): readonly string[] {
  return nodes.map((node) => node.keyPair.did).sort();
}

describe("the mesh over real sockets", () => {
  verifies("mesh:p2p:join", "mesh:discovery:mdns", "mesh:transport:links");

  test("three nodes that only know their network find and link each other", async () => {
    const root = generateKeyPair();
    const nodes = await Promise.all([startNode(root), startNode(root), startNode(root)]);
    await Promise.all(nodes.map((node) => startDiscovery(node, root)));
    for (const node of nodes) {
      const others = didsOf(...nodes.filter((other) => other !== node));
      await expect.poll(() => peersOf(node), { timeout: 10_000 }).toEqual(others);
    }
  });

  test("frames travel both ways, and a large one arrives whole", async () => {
    const root = generateKeyPair();
    const [one, other] = [await startNode(root), await startNode(root)];
    const received: { from: string; bytes: number; sum: number }[] = [];
    for (const node of [one, other]) {
      node.mesh.handle(TEST_FRAME, ({ from, body }) => {
        received.push({ from, bytes: body.length, sum: body.reduce((left, right) => left + right, 0) });
      });
    }
    await one.mesh.connect(address(other));
    await expect.poll(() => peersOf(other)).toEqual(didsOf(one));
    one.mesh.send(other.keyPair.did, { lane: "high", type: TEST_FRAME, body: new Uint8Array(3).fill(1) });
    await expect.poll(() => received.length).toBe(1);
    other.mesh.send(one.keyPair.did, { lane: "bulk", type: TEST_FRAME, body: new Uint8Array(500_000).fill(2) });
    await expect.poll(() => received.length).toBe(2);
    expect(received).toEqual([
      { from: one.keyPair.did, bytes: 3, sum: 3 },
      { from: other.keyPair.did, bytes: 500_000, sum: 1_000_000 },
    ]);
  });

  test("dials that cross end in one link at both ends", async () => {
    const root = generateKeyPair();
    const [one, other] = [await startNode(root), await startNode(root)];
    const joins: string[] = [];
    for (const node of [one, other]) node.mesh.on("peer-joined", (peer) => joins.push(peer.did));
    await Promise.all([one.mesh.connect(address(other)), other.mesh.connect(address(one))]);
    await expect.poll(() => [peersOf(one), peersOf(other)]).toEqual([didsOf(other), didsOf(one)]);
    let answers = 0;
    other.mesh.handle(TEST_FRAME, () => void answers++);
    one.mesh.send(other.keyPair.did, { lane: "normal", type: TEST_FRAME, body: new Uint8Array(1) });
    await expect.poll(() => answers).toBe(1);
    expect(new Set(joins)).toEqual(new Set(didsOf(one, other)));
  });

  test("a member of another network is refused with the reason, and nothing else of it is answered", async () => {
    const [ours, theirs] = [await startNode(generateKeyPair()), await startNode(generateKeyPair())];
    const refused = await theirs.mesh.connect(address(ours)).catch((error: unknown) => error);
    expect(isEasynetError(refused, "NETWORK_MISMATCH")).toBe(true);
    expect([peersOf(ours), peersOf(theirs)]).toEqual([[], []]);
  });

  test("a dead address is said, and the next one is tried", async () => {
    const root = generateKeyPair();
    const [one, other] = [await startNode(root), await startNode(root)];
    const dead = await one.mesh.connect("127.0.0.1:1").catch((error: unknown) => error);
    expect(String(dead)).toContain("connection refused");
    one.mesh.learn(other.keyPair.did, [`127.0.0.1:1#${other.keyPair.did}`, address(other)]);
    await expect.poll(() => peersOf(one), { timeout: 5000 }).toEqual(didsOf(other));
  });

  test("an address that accepts and never answers costs no more than the time for a dial", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => {
      silent.listen(0, "127.0.0.1", resolve);
    });
    stops.push(async () => void silent.close());
    const bound = silent.address();
    const one = await startNode(generateKeyPair(), { config: { dialTimeoutMs: 300 } });
    const result = await one.mesh
      .connect(`127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`)
      .catch((error: unknown) => error);
    expect(String(result)).toContain("no answer in time");
  });

  test("a node that went away and came back at its address is linked again by itself", async () => {
    const root = generateKeyPair();
    const [one, other] = [await startNode(root), await startNode(root)];
    await one.mesh.connect(address(other));
    const left = new Promise<string>((resolve) => {
      one.mesh.on("peer-left", (peer) => resolve(peer.did));
    });
    await other.mesh.stop();
    expect(await left).toBe(other.keyPair.did);
    await startNode(root, { keyPair: other.keyPair, port: other.port });
    await expect.poll(() => peersOf(one), { timeout: 10_000 }).toEqual(didsOf(other));
  });
});
