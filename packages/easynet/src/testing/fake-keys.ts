import { type Did, keyPairFromSeed } from "../identity/index.ts";

/** The did of a test node: stable, distinct for each number. @param number 0..2^32-1 */
export function fakeDid(number: number): Did {
  return fakeKeyPair(number).did;
}

/** The key pair behind {@link fakeDid}. */
export function fakeKeyPair(number: number): ReturnType<typeof keyPairFromSeed> {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setUint32(0, number);
  return keyPairFromSeed(seed);
}

let networkDid: Did | undefined;

/** The network that all fake nodes are in; made once, because keys are dear. */
export function fakeNetworkDid(): Did {
  networkDid ??= fakeDid(0xffff_ffff);
  return networkDid;
}
