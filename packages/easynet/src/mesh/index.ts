export { FULL_MESH_COUNT_MAX } from "./active-view-core.ts";
export type { Fabric, FabricConnection, Guest, Guests, LaneStream } from "./fabric.ts";
export { createGossip, type Gossip, type GossipHandler, type GossipOptions } from "./gossip.ts";
export { parseAddress } from "./libp2p-address.ts";
export { createLibp2pFabric, type Libp2pFabricOptions } from "./libp2p-fabric.ts";
export { createFabric, type FabricOptions } from "./transports.ts";
export { watchAddresses } from "./address-watch.ts";
export { askToJoin, type AskToJoinOptions } from "./ask-to-join.ts";
export { LinkKeeping } from "./link-keeping.ts";
export { UNNEEDED } from "./link-reasons.ts";
export type { MeshConfig } from "./mesh-config.ts";
export { createPunch, type Punch } from "./punch.ts";
export { Redial, type RedialInput } from "./redial-core.ts";
export { createRelay, type Relay } from "./relay.ts";
export type { MeshOptions, Stranger } from "./mesh-options.ts";
export { createMesh } from "./service.ts";
export type {
  FabricMesh,
  FrameHandler,
  Mesh,
  MeshEvents,
  MeshFrame,
  OutgoingFrame,
  Peer,
  ReachOptions,
  TwinReport,
  Way,
} from "./types.ts";
export { createMdns, type Mdns, type MdnsInterfaceState, type MdnsOptions, type MdnsStatus } from "./mdns.ts";
export { type MulticastFinding, type MulticastProbe, probeMulticast } from "./mdns-probe.ts";
export type { SkippedInterface } from "./mdns-interfaces.ts";
export { type MdnsHint, type NearbyNode, networkTag } from "./mdns-records.ts";
export { createSwim, type MemberState, type Swim, type SwimOptions } from "./swim.ts";
