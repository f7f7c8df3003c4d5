/** What our fabric adds to libp2p; loaded together with it, because both need libp2p's classes at run time. */
export { LaneMuxerFactory } from "./libp2p-lane-muxer.ts";
export { SocketTls } from "./libp2p-tls.ts";
