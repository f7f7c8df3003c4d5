import {
  generateKeyPair,
  issueMembership,
  keyPairFromSeed,
  verifyMembership,
} from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, silentLogger, systemClock, systemRandom } from "../../packages/easynet/src/kernel/index.ts";
import { createLibp2pFabric, createMesh, type Mesh } from "../../packages/easynet/src/mesh/index.ts";
import type { Did } from "../../packages/easynet/src/identity/index.ts";
import { type Channel, type Far, KINDS, type System } from "./channel.ts";

const LANE = "normal";
const DAY_MS = 86_400_000;

/** The product's own mesh: signed membership, libp2p, TLS 1.3, frames, windows. Frames of the bench's own types. */
export const easynetSystem: System = {
  async listen(): Promise<Far> {
    const root = generateKeyPair();
    const mesh = await startMesh(root.exportSeed(), ["127.0.0.1:0"]);
    const { promise, resolve } = Promise.withResolvers<Channel>();
    mesh.on("peer-joined", (peer) => resolve(channelOf(mesh, peer.did)));
    const address = { root: Buffer.from(root.exportSeed()).toString("hex"), at: mesh.addresses()[0] };
    return { address, channel: promise };
  },
  async connect(address: unknown): Promise<Channel> {
    if (typeof address !== "object" || !address || !("root" in address) || !("at" in address)) {
      throw new Error("an easynet worker needs an address and the network's key");
    }
    const mesh = await startMesh(Buffer.from(String(address.root), "hex"), []);
    return channelOf(mesh, (await mesh.connect(String(address.at))).did);
  },
};

export async function startMesh(
  rootSeed: Uint8Array,
  listenAddresses: readonly string[],
  keyPair = generateKeyPair(),
): Promise<Mesh> {
  const root = keyPairFromSeed(rootSeed);
  const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: noMetrics };
  const fabric = await createLibp2pFabric({ keyPair, listenAddresses, ...ports });
  const nowMs = Date.now();
  const mesh = createMesh({
    fabric,
    network: root.did,
    name: "bench",
    membership: await issueMembership(root, keyPair.did, { nowMs, timeToLiveMs: DAY_MS }),
    verifyMember: (bytes, member) => verifyMembership(bytes, { network: root.did, member, nowMs: Date.now() }),
    ...ports,
  });
  await mesh.start();
  return mesh;
}

function channelOf(mesh: Mesh, peer: Did): Channel {
  return {
    send: (kind, body) => mesh.send(peer, { lane: LANE, type: kind, body }),
    drained: () => mesh.drained(peer, LANE),
    onMessage(handler) {
      for (const kind of Object.values(KINDS)) mesh.handle(kind, (frame) => handler(frame.type, frame.body));
    },
    close: () => mesh.stop(),
  };
}
