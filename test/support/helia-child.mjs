// A node of IPFS of another make: Helia as it is published, on loopback only. Runs in the folder where it is installed:
// `helia-child.mjs FOLDER`. Tells { address }, then answers { get: CID } and { add: bytes in base64 }.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const load = (name, file = "index.js") =>
  import(pathToFileURL(join(process.argv[2] ?? "", "node_modules", name, "dist/src", file)).href);
const [helia, libp2p, bitswap, unixfs, chunker, layout, identify, tcp, cids, address] = await Promise.all([
  load("helia"),
  load("@helia/libp2p"),
  load("@helia/bitswap"),
  load("@helia/unixfs"),
  load("ipfs-unixfs-importer", "chunker/index.js"),
  load("ipfs-unixfs-importer", "layout/index.js"),
  load("@libp2p/identify"),
  load("@libp2p/tcp"),
  load("multiformats"),
  load("@multiformats/multiaddr"),
]);
const { connectionEncrypters, streamMuxers } = libp2p.libp2pDefaults();
const node = bitswap.withBitswap(
  libp2p.withLibp2pLight(helia.createHeliaLight(), {
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    transports: [tcp.tcp()],
    services: { identify: identify.identify() },
    connectionEncrypters,
    streamMuxers,
  }),
);
await node.start();
const files = unixfs.unixfs(node);

async function get({ cid, from }) {
  await node.libp2p.dial(address.multiaddr(from));
  const parts = [];
  const signal = AbortSignal.timeout(5000);
  for await (const part of files.cat(cids.CID.parse(cid), { signal })) parts.push(part);
  return Buffer.concat(parts).toString("base64");
}

/** As `ipfs add` with the layout of easynet; `other` = as Helia does it by itself. */
async function add({ bytes, other }) {
  const ours = {
    cidVersion: 1,
    rawLeaves: true,
    chunker: chunker.fixedSize({ chunkSize: 262_144 }),
    layout: layout.balanced({ maxChildrenPerNode: 174 }),
  };
  return (await files.addBytes(Buffer.from(bytes, "base64"), other ? {} : ours)).toString();
}

process.on("message", ({ id, ...ask }) => {
  const answer = "cid" in ask ? get(ask) : add(ask);
  answer.then(
    (value) => process.send({ id, value }),
    (error) => process.send({ id, error: String(error) }),
  );
});
process.send({ id: 0, value: node.libp2p.getMultiaddrs()[0].toString() });
