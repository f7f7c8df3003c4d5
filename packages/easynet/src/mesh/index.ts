export type { Fabric, FabricConnection, LaneStream } from "./fabric.ts";
export type { FrameHandler, Mesh, MeshEvents, MeshFrame, OutgoingFrame, Peer } from "./types.ts";
