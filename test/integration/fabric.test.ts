import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { generateKeyPair, parseDid } from "../../packages/easynet/src/identity/index.ts";
import { isEasynetError, noMetrics, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import {
  createLibp2pFabric,
  type Fabric,
  type FabricConnection,
  type LaneStream,
} from "../../packages/easynet/src/mesh/index.ts";
import { peerIdFromDid } from "../../packages/easynet/src/mesh/libp2p-address.ts";
import { fabricContract, type FabricHarness } from "../../packages/easynet/src/testing/contracts/fabric.ts";
import { verifies } from "../requirements.ts";

const fabrics: Fabric[] = [];
const servers: Server[] = [];

afterEach(async () => {
  await Promise.all(fabrics.splice(0).map((fabric) => fabric.stop()));
  for (const server of servers.splice(0)) server.close();
});

async function startFabric(listen: readonly string[] = ["127.0.0.1:0"]): Promise<Fabric> {
  const fabric = await createLibp2pFabric({
    keyPair: generateKeyPair(),
    listenAddresses: listen,
    logger: silentLogger,
    metrics: noMetrics,
  });
  fabrics.push(fabric);
  await fabric.start();
  return fabric;
}

function address(fabric: Fabric): string {
  return fabric.addresses()[0] ?? "";
}

function portOf(fabric: Fabric): number {
  return Number(/\/tcp\/(\d+)\//.exec(address(fabric))?.[1]);
}

function nextConnection(fabric: Fabric): Promise<FabricConnection> {
  return new Promise((resolve) => {
    fabric.onConnection(resolve);
  });
}

function nextLane(connection: FabricConnection): Promise<{ readonly lane: string; readonly stream: LaneStream }> {
  return new Promise((resolve) => {
    connection.onLane((lane, stream) => resolve({ lane, stream }));
  });
}

function closed(closable: Pick<FabricConnection, "onClose">): Promise<Error | undefined> {
  return new Promise((resolve) => {
    closable.onClose(resolve);
  });
}

async function refusal(promise: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await promise;
  } catch (error) {
    if (isEasynetError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("it did not fail");
}

describe("libp2p fabric", () => {
  verifies("mesh:transport:links");

  test("both ends learn the key that the other proved", async () => {
    const [a, b] = [await startFabric(), await startFabric()];
    const arriving = nextConnection(b);
    const outbound = await a.dial(address(b));
    const inbound = await arriving;
    expect([outbound.remote, outbound.direction]).toEqual([b.self, "outbound"]);
    expect([inbound.remote, inbound.direction]).toEqual([a.self, "inbound"]);
  });

  test("bytes arrive complete and in order in both directions", async () => {
    const [a, b] = [await startFabric(), await startFabric()];
    const arriving = nextConnection(b);
    const outbound = await a.dial(address(b));
    const lanes = nextLane(await arriving);
    const here = await outbound.openLane("normal");
    let echoed = 0;
    let inOrder = true;
    const total = 6 * 1024 * 1024;
    const finished = new Promise<void>((resolve) => {
      here.onData((chunk) => {
        for (const byte of chunk) inOrder &&= byte === echoed++ % 251;
        if (echoed === total) resolve();
      });
    });
    void lanes.then(({ stream }) => stream.onData((chunk) => void stream.send(Uint8Array.from(chunk))));
    let sent = 0;
    const pump = (): void => {
      while (sent < total) {
        const chunk = Uint8Array.from({ length: 64 * 1024 }, (_, index) => (sent + index) % 251);
        sent += chunk.length;
        if (!here.send(chunk)) return;
      }
    };
    here.onDrain(pump);
    pump();
    await finished;
    expect({ echoed, inOrder }).toEqual({ echoed: total, inOrder: true });
    expect((await lanes).lane).toBe("normal");
  });

  test("an address may be host:port#did, or host:port, which accepts and reports any key", async () => {
    const [a, b] = [await startFabric(), await startFabric()];
    b.onConnection(() => undefined);
    expect((await a.dial(`127.0.0.1:${portOf(b)}#${b.self}`)).remote).toBe(b.self);
    expect((await a.dial(`127.0.0.1:${portOf(b)}`)).remote).toBe(b.self);
  });

  test("a node that proves another key is not reached, and the reason says so", async () => {
    const [a, b] = [await startFabric(), await startFabric()];
    const other = generateKeyPair().did;
    expect(await refusal(a.dial(`127.0.0.1:${portOf(b)}#${other}`))).toEqual({
      code: "PEER_UNREACHABLE",
      message: expect.stringContaining("wrong key"),
    });
  });

  test("nobody listening is a refused connection", async () => {
    const [a, b] = [await startFabric(), await startFabric()];
    const gone = address(b);
    await b.stop();
    expect(await refusal(a.dial(gone))).toEqual({
      code: "PEER_UNREACHABLE",
      message: expect.stringContaining("connection refused"),
    });
  });

  test("a port that is taken is PORT_IN_USE with its number", async () => {
    const server = createServer();
    servers.push(server);
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const bound = server.address();
    const port = typeof bound === "object" ? bound?.port : undefined;
    const result = await refusal(startFabric([`127.0.0.1:${port}`]));
    expect(result.code).toBe("PORT_IN_USE");
    expect(result.message).toContain(String(port));
  });

  test("what is written before close arrives before the close", async () => {
    const [a, b] = [await startFabric(), await startFabric()];
    const arriving = nextConnection(b);
    const outbound = await a.dial(address(b));
    const inbound = await arriving;
    const lanes = nextLane(inbound);
    const here = await outbound.openLane("bulk");
    const { stream } = await lanes;
    let bytes = 0;
    stream.onData((chunk) => {
      bytes += chunk.length;
    });
    const end = closed(inbound);
    here.send(new Uint8Array(200_000));
    await outbound.close();
    await end;
    expect(bytes).toBe(200_000);
  });

  test("an aborted connection ends its lanes at the other end", async () => {
    const [a, b] = [await startFabric(), await startFabric()];
    const arriving = nextConnection(b);
    const outbound = await a.dial(address(b));
    const inbound = await arriving;
    const lanes = nextLane(inbound);
    await outbound.openLane("high");
    const { stream } = await lanes;
    const ends = Promise.all([closed(stream), closed(inbound)]);
    outbound.abort(new Error("test"));
    await ends;
    expect(() => stream.send(new Uint8Array(1))).toThrow(/closed/);
  });

  test("a lane handler that throws costs its lane, not the process", async () => {
    const [a, b] = [await startFabric(), await startFabric()];
    const arriving = nextConnection(b);
    const outbound = await a.dial(address(b));
    const lanes = nextLane(await arriving);
    const here = await outbound.openLane("high");
    const { stream } = await lanes;
    stream.onData(() => {
      throw new Error("bug in a handler");
    });
    const end = closed(here);
    here.send(new Uint8Array(10));
    await end;
    expect(() => here.send(new Uint8Array(1))).toThrow(/closed/);
  });

  test("thirty nodes dial one at the same moment and all get through", async () => {
    const hub = await startFabric();
    const arrived = new Set<string>();
    hub.onConnection((connection) => arrived.add(connection.remote));
    const others = await Promise.all(Array.from({ length: 30 }, () => startFabric([])));
    const connections = await Promise.all(others.map((fabric) => fabric.dial(address(hub))));
    expect(connections.map((connection) => connection.remote)).toEqual(others.map(() => hub.self));
    await expect.poll(() => arrived.size).toBe(30);
  });

  test("dials to one node at the same time are connections of their own", async () => {
    const [a, b] = [await startFabric(), await startFabric()];
    let arrivedCount = 0;
    b.onConnection(() => arrivedCount++);
    const connections = await Promise.all([1, 2, 3].map(() => a.dial(address(b))));
    expect(new Set(connections).size).toBe(3);
    await expect.poll(() => arrivedCount).toBe(3);
  });

  test("an address that cannot be read is refused before anything is dialled", async () => {
    const a = await startFabric([]);
    for (const bad of ["", "nowhere", "127.0.0.1:99999", "/ip4/127.0.0.1/udp/1", "127.0.0.1:1#did:key:zX"]) {
      expect((await refusal(a.dial(bad))).code).toBe("INVALID_ARGUMENT");
    }
  });

  test("a node that listens nowhere advertises nothing, one on loopback only loopback", async () => {
    const [dialler, local] = [await startFabric([]), await startFabric()];
    expect(dialler.addresses()).toEqual([]);
    expect(local.addresses()).toEqual([expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3Koo/)]);
  });
});

/** libp2p with our lanes on the TLS socket, and with yamux as for peers that do not know them: one contract. */
describe.for(["lanes", "yamux"] as const)("fabric contract over %s", (muxer) => {
  const harness: FabricHarness = {
    open: (keyPair) =>
      createLibp2pFabric({
        keyPair,
        listenAddresses: ["127.0.0.1:0"],
        muxer,
        logger: silentLogger,
        metrics: noMetrics,
      }),
    // Port 1 (tcpmux) is below what an ordinary program may take.
    deadAddress: `/ip4/127.0.0.1/tcp/1/p2p/${peerIdFromDid(generateKeyPair().did)}`,
    withKey: (text, did) => text.replace(/\/p2p\/.*$/, `/p2p/${peerIdFromDid(parseDid(did))}`),
  };
  test.for(fabricContract)("$name", async (each) => {
    await expect(each.run(harness)).resolves.toBeUndefined();
  });
});
