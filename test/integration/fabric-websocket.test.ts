import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { generateKeyPair } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { createFabric, type Fabric, type FabricConnection } from "../../packages/easynet/src/mesh/index.ts";
import { fabricContract } from "../../packages/easynet/src/testing/contracts/fabric.ts";
import { openFabric, transportHarness } from "../support/transport-harness.ts";
import { makeCertificate, WebServer } from "../support/web-server.ts";
import { verifies } from "../requirements.ts";

const LISTEN = "/ip4/127.0.0.1/tcp/0/ws";
const MARKER = "the-payload-that-no-web-server-reads";
const fabrics: Fabric[] = [];

afterEach(async () => {
  await Promise.all(fabrics.splice(0).map((fabric) => fabric.stop()));
});

async function start(listen: readonly string[]): Promise<Fabric> {
  const fabric = await openFabric(generateKeyPair(), listen);
  fabrics.push(fabric);
  await fabric.start();
  return fabric;
}

function portOf(fabric: Fabric): number {
  return Number(/\/tcp\/(\d+)\/ws\//.exec(fabric.addresses().join(" "))?.[1]);
}

/** Sends the marker from end to end and back. */
async function echo(near: FabricConnection, arriving: Promise<FabricConnection>): Promise<string> {
  const far = await arriving;
  far.onLane((_, lane) => lane.onData((chunk) => void lane.send(Uint8Array.from(chunk))));
  const lane = await near.openLane("normal");
  return new Promise((resolve) => {
    lane.onData((chunk) => resolve(Buffer.from(chunk).toString()));
    lane.send(Buffer.from(MARKER));
  });
}

function nextConnection(fabric: Fabric): Promise<FabricConnection> {
  return new Promise((resolve) => {
    fabric.onConnection(resolve);
  });
}

describe("fabric contract over WebSocket", () => {
  verifies("mesh:transport:links");
  const harness = transportHarness({ listen: LISTEN, dead: "/ip4/127.0.0.1/tcp/1/ws", ending: "/ws" });
  test.for(fabricContract)("$name", async (each) => {
    await expect(each.run(harness)).resolves.toBeUndefined();
  });
});

describe("WebSocket", () => {
  verifies("mesh:transport:links");

  test("goes through a web server, which sees only ciphertext", async () => {
    const [one, other] = [await start([]), await start([LISTEN])];
    await using server = await WebServer.start({ port: portOf(other) });
    const arriving = nextConnection(other);
    const connection = await one.dial(`/ip4/127.0.0.1/tcp/${server.port}/ws`);
    expect([connection.remote, connection.localHost]).toEqual([other.self, "127.0.0.1"]);
    expect(await echo(connection, arriving)).toBe(MARKER);
    const seen = Buffer.concat(server.seen);
    expect(seen.length).toBeGreaterThan(2000);
    expect(seen.includes(MARKER.slice(0, 12))).toBe(false);
  });

  test("goes through a web server with TLS of its own, whose certificate is checked", async () => {
    const certificate = makeCertificate();
    const [one, other] = [await start([]), await start([LISTEN])];
    await using server = await WebServer.start({ port: portOf(other) }, certificate);
    const address = `/dns/localhost/tcp/${server.port}/tls/ws`;
    await expect(one.dial(address)).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
      details: { reason: "the web server in front of it proves no valid certificate" },
    });
    const known = getCACertificates("default");
    setDefaultCACertificates([...known, certificate.cert]);
    try {
      const arriving = nextConnection(other);
      const connection = await one.dial(address);
      expect(connection.remoteAddress).toMatch(/^\/dns\/localhost\/tcp\/\d+\/tls\/ws\/p2p\/12D3Koo/);
      expect(await echo(connection, arriving)).toBe(MARKER);
    } finally {
      setDefaultCACertificates(known);
    }
  });

  test("a web site that passes none on is told as such", async () => {
    const one = await start([]);
    await using server = await WebServer.start({ port: 1 });
    const dial = one.dial(`/ip4/127.0.0.1/tcp/${server.port}/ws`);
    await expect(dial).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
  });

  test("who talks something else is dropped, and the node goes on", async () => {
    const [one, other] = [await start([]), await start([LISTEN])];
    const url = `ws://127.0.0.1:${portOf(other)}/`;
    expect((await fetch(url.replace("ws:", "http:"))).status).toBe(426);
    const garbage = new WebSocket(url);
    garbage.on("open", () => garbage.send("hello?"));
    const silent = new WebSocket(url);
    const large = new WebSocket(url);
    large.on("open", () => large.send(new Uint8Array(1024 * 1024)));
    const ends = [garbage, silent, large].map(
      (socket) =>
        new Promise((resolve) => {
          socket.on("error", () => undefined);
          socket.on("close", resolve);
        }),
    );
    await Promise.all(ends);
    const arriving = nextConnection(other);
    expect(await echo(await one.dial(`/ip4/127.0.0.1/tcp/${portOf(other)}/ws`), arriving)).toBe(MARKER);
  });

  test("what is announced is told to others in place of a loopback address", async () => {
    const options = { keyPair: generateKeyPair(), logger: silentLogger, metrics: noMetrics };
    const announce = ["/dns/net.example.org/tcp/443/wss", "203.0.113.5:7441"];
    const fabric = await createFabric({ ...options, listenAddresses: ["127.0.0.1:0", LISTEN], announce });
    fabrics.push(fabric);
    await fabric.start();
    expect(fabric.addresses().map((address) => address.replace(/\/p2p\/12D3Koo.*$/, ""))).toEqual([
      "/dns/net.example.org/tcp/443/tls/ws",
      "/ip4/203.0.113.5/tcp/7441",
    ]);
  });

  test("a port that is taken is PORT_IN_USE, and wss cannot be listened on", async () => {
    const other = await start([LISTEN]);
    const taken = openFabric(generateKeyPair(), [`/ip4/127.0.0.1/tcp/${portOf(other)}/ws`]);
    await expect((await taken).start()).rejects.toMatchObject({
      code: "PORT_IN_USE",
      details: { option: "--also-listen" },
    });
    await expect(openFabric(generateKeyPair(), ["/ip4/127.0.0.1/tcp/0/wss"])).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });
});
