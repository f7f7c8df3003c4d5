export { formatRecording, parseRecordings, type RecordedEvent, type Recording, replayAgent } from "../agents/index.ts";
export { MemoryStore, type StoreFault } from "../storage/index.ts";
export { agentContract, type AgentCase, type AgentHarness, type ContractTask } from "./contracts/agent.ts";
export { FakeAgent, type FakeAgentOptions, fakeCapability, fakeTaskContext } from "./fake-agent.ts";
export { fakeDid, fakeKeyPair, FakeMesh, FakeNetwork, type FakeNetworkOptions } from "./fake-mesh.ts";
export { type FakeCall, type FakeFunction, FakeNode, type FakeNodeOptions } from "./fake-node.ts";
export { offerOf, type OfferSketch } from "./offers.ts";
export { MemoryNetwork, type MemoryNetworkOptions } from "./memory-network.ts";
export { VirtualClock } from "./virtual-clock.ts";
