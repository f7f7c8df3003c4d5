import { connect as connectTcp, createServer, type Socket } from "node:net";
import { connect as connectTls, TLSSocket } from "node:tls";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { tcp } from "@libp2p/tcp";
import { tls } from "@libp2p/tls";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p, type Libp2p } from "libp2p";
import { afterEach, describe, expect, test } from "vitest";
import { generateKeyPair, type KeyPair } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { createLibp2pFabric, type Fabric } from "../../packages/easynet/src/mesh/index.ts";
import { issueCertificate } from "../../packages/easynet/src/mesh/libp2p-certificate.ts";
import { SocketReads } from "../../packages/easynet/src/mesh/socket-reads.ts";
import { verifies } from "../requirements.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function startFabric(): Promise<Fabric> {
  const options = { keyPair: generateKeyPair(), listenAddresses: ["127.0.0.1:0"] };
  const fabric = await createLibp2pFabric({ ...options, logger: silentLogger, metrics: noMetrics });
  stops.push(() => fabric.stop());
  await fabric.start();
  return fabric;
}

/** A node as anybody would build it from libp2p's own packages. */
async function startStock(keyPair: KeyPair): Promise<Libp2p> {
  const node = await createLibp2p({
    privateKey: await generateKeyPairFromSeed("Ed25519", keyPair.exportSeed()),
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
  });
  stops.push(() => node.stop());
  await node.handle("/easynet/lane/normal/1", (stream) => {
    stream.addEventListener("message", (event) => void stream.send(event.data));
  });
  return node;
}

describe("the fabric on the wire", () => {
  verifies("mesh:transport:links");

  test("libp2p's own TLS and yamux understand ours: dialled by us", async () => {
    const keyPair = generateKeyPair();
    const [fabric, stock] = [await startFabric(), await startStock(keyPair)];
    const connection = await fabric.dial(stock.getMultiaddrs()[0]?.toString() ?? "");
    expect(connection.remote).toBe(keyPair.did);
    const lane = await connection.openLane("normal");
    const echoed = new Promise<string>((resolve) => {
      lane.onData((chunk) => resolve(Buffer.from(chunk).toString()));
    });
    lane.send(Buffer.from("over yamux"));
    expect(await echoed).toBe("over yamux");
  });

  test("libp2p's own TLS and yamux understand ours: dialled by them", async () => {
    const keyPair = generateKeyPair();
    const [fabric, stock] = [await startFabric(), await startStock(keyPair)];
    const arrived = new Promise<string>((resolve) => {
      fabric.onConnection((connection) => {
        connection.onLane((name, lane) => lane.onData((chunk) => resolve(`${name} ${connection.remote} ${chunk[0]}`)));
      });
    });
    const stream = await stock.dialProtocol(multiaddr(fabric.addresses()[0]), "/easynet/lane/high/1");
    stream.send(Uint8Array.from([42]));
    expect(await arrived).toBe(`high ${keyPair.did} 42`);
  });

  test("a peer that talks something else is dropped, and the node goes on", async () => {
    const fabric = await startFabric();
    const port = Number(/\/tcp\/(\d+)\//.exec(fabric.addresses()[0] ?? "")?.[1]);
    const greet = (greeting: string): Socket => {
      const socket = connectTcp(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(greeting);
      return socket.resume();
    };
    const [silent, http] = [greet(""), greet("GET / HTTP/1.1\r\n\r\n")];
    const hello = greet("\u0013/multistream/1.0.0\n\u000b/tls/1.0.0\n and then no hello");
    await new Promise((resolve) => {
      hello.once("close", resolve);
    });
    const other = await startFabric();
    fabric.onConnection(() => undefined);
    expect((await other.dial(fabric.addresses()[0] ?? "")).remote).toBe(fabric.self);
    for (const socket of [silent, http]) socket.destroy();
  });

  test("on this Node a TLS socket is read into the shared buffer, and nothing gets lost", async () => {
    const identity = issueCertificate(generateKeyPair());
    const server = createServer((socket) => {
      const secure = new TLSSocket(socket, { ...identity, isServer: true });
      secure.write(Buffer.alloc(200_000, 1));
      secure.end(Buffer.alloc(100_000, 2));
    });
    stops.push(() => server.close());
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const bound = server.address();
    const raw = connectTcp(typeof bound === "object" ? (bound?.port ?? 0) : 0, "127.0.0.1");
    await new Promise((resolve) => {
      raw.once("connect", resolve);
    });
    const secure = connectTls({ socket: raw, rejectUnauthorized: false });
    await new Promise((resolve) => {
      secure.once("secure", resolve);
    });
    const counts = new Map<number, number>();
    const isShared = new SocketReads().start(secure, (chunk) => {
      for (const byte of chunk) counts.set(byte, (counts.get(byte) ?? 0) + 1);
    });
    await new Promise((resolve) => {
      secure.once("close", resolve);
    });
    expect([isShared, counts.get(1), counts.get(2)]).toEqual([true, 200_000, 100_000]);
  });
});
