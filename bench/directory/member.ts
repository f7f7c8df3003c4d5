import { issueMembership, type KeyPair, verifyMembership } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, silentLogger, systemClock, systemRandom } from "../../packages/easynet/src/kernel/index.ts";
import {
  createGossip,
  createLibp2pFabric,
  createMesh,
  createSwim,
  type Fabric,
  type FabricConnection,
  type Gossip,
  type LaneStream,
  type Mesh,
  type Swim,
} from "../../packages/easynet/src/mesh/index.ts";
import { createDirectory, type Directory } from "../../packages/easynet/src/state/index.ts";

const DAY_MS = 86_400_000;

/** Bytes that all members of this process gave to their lanes. */
export const traffic = { sentBytes: 0 };

/** What a node knows of others, without agents and doors: the product's own parts over real sockets. */
export interface Member {
  readonly mesh: Mesh;
  readonly swim: Swim;
  readonly gossip: Gossip;
  readonly directory: Directory;
  stop(): Promise<void>;
}

export async function startMember(root: KeyPair, keyPair: KeyPair): Promise<Member> {
  const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: noMetrics };
  const fabric = counted(await createLibp2pFabric({ keyPair, listenAddresses: ["127.0.0.1:0"], ...ports }));
  const mesh = createMesh({
    fabric,
    network: root.did,
    name: keyPair.did.slice(-6),
    membership: await issueMembership(root, keyPair.did, { nowMs: Date.now(), timeToLiveMs: DAY_MS }),
    verifyMember: (bytes, member) => verifyMembership(bytes, { network: root.did, member, nowMs: Date.now() }),
    ...ports,
  });
  const swim = createSwim({ mesh, epoch: 1, ...ports });
  const gossip = createGossip({ mesh, ...ports });
  const directory = createDirectory({ mesh, keyPair, epoch: 1, liveness: swim, gossip, ...ports });
  await mesh.start();
  await directory.start();
  return {
    mesh,
    swim,
    gossip,
    directory,
    async stop() {
      swim.leave();
      gossip.stop();
      await directory.stop();
      await mesh.stop();
    },
  };
}

function counted(fabric: Fabric): Fabric {
  return {
    self: fabric.self,
    start: () => fabric.start(),
    stop: () => fabric.stop(),
    addresses: () => fabric.addresses(),
    dial: async (address, options) => countedConnection(await fabric.dial(address, options)),
    onConnection: (handler) => fabric.onConnection((connection) => handler(countedConnection(connection))),
  };
}

function countedConnection(connection: FabricConnection): FabricConnection {
  return {
    remote: connection.remote,
    remoteAddress: connection.remoteAddress,
    direction: connection.direction,
    openLane: async (lane) => countedLane(await connection.openLane(lane)),
    onLane: (handler) => connection.onLane((lane, stream) => handler(lane, countedLane(stream))),
    onClose: (handler) => connection.onClose(handler),
    close: () => connection.close(),
    abort: (reason) => connection.abort(reason),
  };
}

function countedLane(stream: LaneStream): LaneStream {
  return {
    send(bytes) {
      traffic.sentBytes += bytes.length;
      return stream.send(bytes);
    },
    get bufferedBytes() {
      return stream.bufferedBytes;
    },
    onData: (handler) => stream.onData(handler),
    onDrain: (handler) => stream.onDrain(handler),
    onClose: (handler) => stream.onClose(handler),
    close: () => stream.close(),
    abort: (reason) => stream.abort(reason),
  };
}
