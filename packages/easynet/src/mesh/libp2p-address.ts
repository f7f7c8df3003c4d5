import { networkInterfaces } from "node:os";
import { EasynetError } from "../kernel/index.ts";
import { decodeBase58, type Did, didFromPublicKey, didToPublicKey, encodeBase58, isDid } from "../identity/index.ts";

/**
 * A libp2p peer id of an Ed25519 key is the identity multihash (code 0, 36 bytes) of the key's protobuf
 * (libp2p specs, peer-ids/peer-ids.md): type 1 = Ed25519, then 32 bytes of data. A did:key holds the same 32 bytes.
 */
const PEER_ID_PREFIX = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20] as const;

export function peerIdFromDid(did: Did): string {
  return encodeBase58(Uint8Array.from([...PEER_ID_PREFIX, ...didToPublicKey(did)]));
}

/** @throws {EasynetError} INVALID_ARGUMENT unless the peer id holds an Ed25519 key */
export function didFromPeerId(peerId: string): Did {
  const bytes = peerId.length > 80 ? undefined : decodeBase58(peerId);
  if (bytes?.length !== 38 || PEER_ID_PREFIX.some((byte, index) => bytes[index] !== byte)) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "A peer id", reason: "it holds no Ed25519 key" });
  }
  return didFromPublicKey(bytes.subarray(PEER_ID_PREFIX.length));
}

/** `ws` and `wss`: a WebSocket over TCP, the second one inside the TLS of a web server. `quic-v1` is over UDP. */
export type Transport = "tcp" | "ws" | "wss" | "quic-v1";

/** Where to dial or listen; `did` is the key that the other end must prove, undefined = any. */
export interface NodeAddress {
  readonly protocol: "ip4" | "ip6" | "dns";
  readonly host: string;
  readonly transport: Transport;
  /** 0..65535. */
  readonly port: number;
  readonly did: Did | undefined;
}

const ADDRESS_LENGTH_MAX = 512;
/** What stands before the port and after it. */
const TRANSPORT_PARTS: Readonly<Record<Transport, readonly [string, string]>> = {
  tcp: ["tcp", ""],
  ws: ["tcp", "/ws"],
  wss: ["tcp", "/tls/ws"],
  "quic-v1": ["udp", "/quic-v1"],
};
const TRANSPORTS: ReadonlyMap<string, Transport> = new Map([
  ["tcp", "tcp"],
  ["tcp/ws", "ws"],
  ["tcp/tls/ws", "wss"],
  ["tcp/wss", "wss"],
  ["udp/quic-v1", "quic-v1"],
]);
const MULTIADDR =
  /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/(tcp|udp)\/(\d{1,5})(\/(?:ws|wss|tls\/ws|quic-v1))?(?:\/p2p\/([^/]+))?$/;
const HOST_PORT = /^(?:\[([^\]]+)\]|([^:/#\s]+)):(\d{1,5})(?:#(.+))?$/;
const IP4 = /^\d{1,3}(\.\d{1,3}){3}$/;

/**
 * Reads `/ip4/1.2.3.4/tcp/7441/p2p/12D3…`, `/ip4/1.2.3.4/tcp/7442/ws`, `/dns/host/tcp/443/tls/ws`,
 * `/ip4/1.2.3.4/udp/7441/quic-v1`, `1.2.3.4:7441#did:key:z6Mk…` and `host:7441`, also `[::1]:7441`.
 * @throws {EasynetError} INVALID_ARGUMENT
 */
export function parseAddress(text: string): NodeAddress {
  if (text.length > ADDRESS_LENGTH_MAX) throw invalid(text, `it is longer than ${ADDRESS_LENGTH_MAX} characters`);
  const multiaddr = MULTIADDR.exec(text);
  if (multiaddr) {
    const [, kind, host = "", below = "", port, above = "", peerId] = multiaddr;
    const transport = TRANSPORTS.get(below + above);
    if (!transport) throw invalid(text, `there is no transport ${below}${above}`);
    const did = peerId === undefined ? undefined : didFromPeerId(peerId);
    const protocol = kind === "ip4" || kind === "ip6" ? kind : "dns";
    return { protocol, host, transport, port: parsePort(text, port), did };
  }
  const plain = HOST_PORT.exec(text);
  if (!plain) throw invalid(text, "write host:port, host:port#did or /ip4/…/tcp/…/p2p/…");
  const [, ip6, name = "", port, key] = plain;
  if (key !== undefined && !isDid(key)) throw invalid(text, "what follows # is not a did:key");
  const protocol = ip6 === undefined ? (IP4.test(name) ? "ip4" : "dns") : "ip6";
  return { protocol, host: ip6 ?? name, transport: "tcp", port: parsePort(text, port), did: key };
}

/** The multiaddr of an address, with `/p2p/…` when a key is known. */
export function formatAddress(address: NodeAddress): string {
  const [below, above] = TRANSPORT_PARTS[address.transport];
  const base = `/${address.protocol}/${address.host}/${below}/${address.port}${above}`;
  return address.did === undefined ? base : `${base}/p2p/${peerIdFromDid(address.did)}`;
}

function parsePort(text: string, digits: string | undefined): number {
  const port = Number(digits);
  if (port > 65_535) throw invalid(text, "a port is at most 65535");
  return port;
}

function invalid(text: string, reason: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject: `The address ${text.slice(0, 80)}`, reason });
}

/**
 * What others can dial, from what is listened on: a wildcard becomes the machine's own addresses, never itself.
 * Loopback stays only when it was asked for, or when the machine has nothing else.
 */
export function advertisedAddresses(listening: readonly NodeAddress[], machine = machineAddresses()): NodeAddress[] {
  const all = listening.flatMap((address) => {
    if (address.host !== "0.0.0.0" && address.host !== "::") return [address];
    const hosts = machine.length > 0 ? machine : ["127.0.0.1"];
    return hosts.map((host): NodeAddress => ({ ...address, protocol: "ip4", host }));
  });
  const seen = new Set<string>();
  return all.filter((address) => {
    const text = formatAddress(address);
    return !seen.has(text) && seen.add(text);
  });
}

function machineAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((address) => address.family === "IPv4" && !address.internal)
    .map((address) => address.address);
}
