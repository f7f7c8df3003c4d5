export type { Fabric, FabricConnection, LaneStream } from "./fabric.ts";
export { createLibp2pFabric, type Libp2pFabricOptions } from "./libp2p-fabric.ts";
export { MESH_CONFIG, type MeshConfig } from "./mesh-config.ts";
export { askToJoin, type AskToJoinOptions } from "./ask-to-join.ts";
export { createMesh, type MeshOptions, type Stranger } from "./service.ts";
export type { FrameHandler, Mesh, MeshEvents, MeshFrame, OutgoingFrame, Peer, TwinReport } from "./types.ts";
export { createMdns, type Mdns, type MdnsInterfaceState, type MdnsOptions, type MdnsStatus } from "./mdns.ts";
export { type MdnsHint, networkTag } from "./mdns-records.ts";
