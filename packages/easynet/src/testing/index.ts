export { fakeDid, fakeKeyPair, FakeMesh, FakeNetwork, type FakeNetworkOptions } from "./fake-mesh.ts";
export { VirtualClock } from "./virtual-clock.ts";
