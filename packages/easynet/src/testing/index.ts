export { MemoryStore, type StoreFault } from "../storage/index.ts";
export { fakeDid, fakeKeyPair, FakeMesh, FakeNetwork, type FakeNetworkOptions } from "./fake-mesh.ts";
export { offerOf, type OfferSketch } from "./offers.ts";
export { VirtualClock } from "./virtual-clock.ts";
