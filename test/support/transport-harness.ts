import { generateKeyPair, type KeyPair, parseDid } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { createFabric, type Fabric } from "../../packages/easynet/src/mesh/index.ts";
import { peerIdFromDid } from "../../packages/easynet/src/mesh/libp2p-address.ts";
import type { FabricHarness } from "../../packages/easynet/src/testing/contracts/fabric.ts";

export interface TransportAddresses {
  /** With port 0. */
  readonly listen: string;
  /** Where nobody listens. */
  readonly dead: string;
  /** What the transport's addresses end with, before the key. */
  readonly ending: string;
}

/** A node's whole fabric, which listens on TCP too, seen through the addresses of one of its transports. */
export function transportHarness({ listen, dead, ending }: TransportAddresses): FabricHarness {
  return {
    open: async (keyPair) => through(await openFabric(keyPair, ["127.0.0.1:0", listen]), ending),
    deadAddress: `${dead}/p2p/${peerIdFromDid(generateKeyPair().did)}`,
    withKey: (text, did) => text.replace(/\/p2p\/.*$/, `/p2p/${peerIdFromDid(parseDid(did))}`),
  };
}

export function openFabric(keyPair: KeyPair, listenAddresses: readonly string[]): Promise<Fabric> {
  return createFabric({ keyPair, listenAddresses, logger: silentLogger, metrics: noMetrics });
}

function through(fabric: Fabric, ending: string): Fabric {
  return {
    self: fabric.self,
    start: () => fabric.start(),
    stop: () => fabric.stop(),
    addresses: () => fabric.addresses().filter((text) => text.includes(`${ending}/p2p/`)),
    dial: (address, options) => fabric.dial(address, options),
    onConnection: (handler) => fabric.onConnection(handler),
  };
}
