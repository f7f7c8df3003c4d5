import { afterEach, describe, expect, test } from "vitest";
import {
  type Did,
  generateKeyPair,
  issueMembership,
  type KeyPair,
  verifyMembership,
} from "../../packages/easynet/src/identity/index.ts";
import {
  EasynetError,
  noMetrics,
  silentLogger,
  systemClock,
  systemRandom,
} from "../../packages/easynet/src/kernel/index.ts";
import {
  createLibp2pFabric,
  createMesh,
  createRelay,
  type Fabric,
  type Mesh,
  type MeshFrame,
  type Relay,
} from "../../packages/easynet/src/mesh/index.ts";
import { FRAME_TYPES } from "../../packages/easynet/src/wire/index.ts";
import { verifies } from "../requirements.ts";

const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: noMetrics };
const TEST_FRAME = 200;
const MARKER = "the-payload-that-nobody-in-the-middle-reads";
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

interface Node {
  readonly mesh: Mesh;
  readonly relay: Relay;
  readonly did: Did;
  /** Bodies of the relay-data frames that came here. */
  readonly seen: Uint8Array[];
  /** Members that this node cannot dial directly. */
  readonly blocked: Set<Did>;
}

async function startNode(root: KeyPair, options: { carries?: boolean } = {}): Promise<Node> {
  const keyPair = generateKeyPair();
  const blocked = new Set<Did>();
  const seen: Uint8Array[] = [];
  const libp2p = await createLibp2pFabric({ keyPair, listenAddresses: ["127.0.0.1:0"], ...ports });
  const fabric = refusing(libp2p, blocked);
  const relay = createRelay({ fabric, keyPair, carries: options.carries ?? true, ...ports });
  const mesh = createMesh({
    fabric: relay.fabric,
    network: root.did,
    name: "node",
    membership: await issueMembership(root, keyPair.did, { nowMs: Date.now(), timeToLiveMs: 3_600_000 }),
    verifyMember: (bytes, member) => verifyMembership(bytes, { network: root.did, member, nowMs: Date.now() }),
    detours: (did, way) => relay.circuitsTo(did, way),
    ...ports,
  });
  relay.use(listening(mesh, seen));
  await mesh.start();
  stops.push(() => mesh.stop());
  return { mesh, relay, did: keyPair.did, seen, blocked };
}

/** A fabric that cannot dial some members, as behind a router that lets nothing through. */
function refusing(fabric: Fabric, blocked: ReadonlySet<Did>): Fabric {
  return {
    self: fabric.self,
    start: () => fabric.start(),
    stop: () => fabric.stop(),
    addresses: () => fabric.addresses(),
    onConnection: (handler) => fabric.onConnection(handler),
    async dial(address, options) {
      const connection = await fabric.dial(address, options);
      if (!blocked.has(connection.remote)) return connection;
      connection.abort(new Error("blocked"));
      throw new EasynetError("PEER_UNREACHABLE", { peer: address, reason: "blocked" });
    },
  };
}

/** The same mesh, with every relay-data frame that reaches this node noted. */
function listening(mesh: Mesh, seen: Uint8Array[]): Mesh {
  return new Proxy(mesh, {
    get(target, key) {
      if (key === "handle") {
        return (type: number, handler: (frame: MeshFrame) => void) => {
          mesh.handle(type, (frame) => {
            if (type === FRAME_TYPES["relay-data"]) seen.push(Uint8Array.from(frame.body));
            return handler(frame);
          });
        };
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function block(one: Node, other: Node): void {
  one.blocked.add(other.did);
  other.blocked.add(one.did);
}

/** A and C that reach each other only through B. */
async function startChain(options: { carries?: boolean } = {}): Promise<[Node, Node, Node]> {
  const root = generateKeyPair();
  const [a, b, c] = [await startNode(root), await startNode(root, options), await startNode(root)];
  block(a, c);
  await a.mesh.connect(b.mesh.addresses()[0] ?? "");
  await c.mesh.connect(b.mesh.addresses()[0] ?? "");
  return [a, b, c];
}

function holds(all: readonly Uint8Array[], text: string): boolean {
  return Buffer.concat(all).includes(text);
}

describe("a link through a member", () => {
  verifies("mesh:route:forward", "mesh:transport:links");

  test("is made when no direct one is possible, with the far end's own key", async () => {
    const [a, b, c] = await startChain();
    a.mesh.learn(c.did, c.mesh.addresses());
    await expect.poll(() => a.mesh.peer(c.did)?.via, { timeout: 10_000 }).toBe(b.did);
    await expect.poll(() => c.mesh.peer(a.did)?.via).toBe(b.did);
    expect(a.mesh.peer(c.did)?.did).toBe(c.did);
    expect(b.relay.carriedCount).toBe(1);
  });

  test("leads over two members where none is linked to both ends", async () => {
    const root = generateKeyPair();
    const [a, d, b, c] = [await startNode(root), await startNode(root), await startNode(root), await startNode(root)];
    for (const [one, other] of [
      [a, b],
      [a, c],
      [d, c],
    ] as const)
      block(one, other);
    await a.mesh.connect(d.mesh.addresses()[0] ?? "");
    await b.mesh.connect(d.mesh.addresses()[0] ?? "");
    await c.mesh.connect(b.mesh.addresses()[0] ?? "");
    a.mesh.learn(b.did, b.mesh.addresses());
    await expect.poll(() => a.mesh.peer(b.did)?.via, { timeout: 10_000 }).toBe(d.did);
    a.mesh.learn(c.did, c.mesh.addresses());
    expect((await a.mesh.reach(c.did)).via).toBe(b.did);
    const arrived: string[] = [];
    c.mesh.handle(TEST_FRAME, ({ body }) => void arrived.push(Buffer.from(body).toString()));
    a.mesh.send(c.did, { lane: "normal", type: TEST_FRAME, body: Buffer.from(MARKER) });
    await expect.poll(() => arrived).toEqual([MARKER]);
    expect(holds(b.seen, MARKER) || holds(d.seen, MARKER)).toBe(false);
    expect([b.relay.carriedCount, d.relay.carriedCount]).toEqual([1, 1]);
  });

  test("carries frames both ways, large ones too, and the member in the middle sees only ciphertext", async () => {
    const [a, b, c] = await startChain();
    const arrived: Uint8Array[] = [];
    c.mesh.handle(TEST_FRAME, (frame) => {
      arrived.push(Uint8Array.from(frame.body));
      c.mesh.send(a.did, { lane: "normal", type: TEST_FRAME, body: frame.body.subarray(0, 100) });
    });
    const answers: Uint8Array[] = [];
    a.mesh.handle(TEST_FRAME, (frame) => void answers.push(Uint8Array.from(frame.body)));
    a.mesh.learn(c.did, c.mesh.addresses());
    await expect.poll(() => a.mesh.peer(c.did), { timeout: 10_000 }).toBeDefined();
    const body = Buffer.alloc(900_000, MARKER);
    for (let count = 0; count < 3; count++) a.mesh.send(c.did, { lane: "normal", type: TEST_FRAME, body });
    await expect.poll(() => answers.length, { timeout: 20_000 }).toBe(3);
    expect(arrived.every((one) => body.equals(one))).toBe(true);
    expect(answers[0]).toEqual(Uint8Array.from(body.subarray(0, 100)));
    const carriedBytes = b.seen.reduce((sum, one) => sum + one.length, 0);
    expect(carriedBytes).toBeGreaterThan(2_700_000);
    expect(holds(b.seen, MARKER.slice(0, 12))).toBe(false);
    expect(holds(arrived, MARKER)).toBe(true);
  });

  test("is refused by a member that does not carry", async () => {
    const [a, b, c] = await startChain({ carries: false });
    await expect(a.mesh.connect(a.relay.circuitsTo(c.did, "linked")[0] ?? "")).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
      details: { reason: "relaying is off" },
    });
    expect(b.relay.carriedCount).toBe(0);
  });

  test("is refused to a member that the one in the middle has no link to", async () => {
    const [a] = await startChain();
    const circuit = a.relay.circuitsTo(generateKeyPair().did, "linked")[0] ?? "";
    await expect(a.mesh.connect(circuit)).rejects.toMatchObject({ details: { reason: "no direct link to it" } });
  });

  test("ends with the link to the member in the middle, and comes back with it", async () => {
    const [a, b, c] = await startChain();
    a.mesh.learn(c.did, c.mesh.addresses());
    await expect.poll(() => a.mesh.peer(c.did), { timeout: 10_000 }).toBeDefined();
    const left: string[] = [];
    c.mesh.on("peer-left", (peer) => left.push(peer.did));
    await b.mesh.stop();
    await expect.poll(() => a.mesh.peers().length + c.mesh.peers().length).toBe(0);
    expect(left).toContain(a.did);
  });

  test("gives way to a direct one as soon as that works", async () => {
    const [a, b, c] = await startChain();
    a.mesh.learn(c.did, c.mesh.addresses());
    await expect.poll(() => a.mesh.peer(c.did)?.via, { timeout: 10_000 }).toBe(b.did);
    a.blocked.clear();
    c.blocked.clear();
    const peer = await a.mesh.connect(c.mesh.addresses()[0] ?? "");
    expect(peer.via).toBeUndefined();
    await expect.poll(() => c.mesh.peer(a.did)?.via).toBeUndefined();
    await expect.poll(() => b.relay.carriedCount).toBe(0);
    const arrived: number[] = [];
    c.mesh.handle(TEST_FRAME, (frame) => void arrived.push(frame.body.length));
    a.mesh.send(c.did, { lane: "normal", type: TEST_FRAME, body: Uint8Array.of(1) });
    await expect.poll(() => arrived).toEqual([1]);
  });
});
