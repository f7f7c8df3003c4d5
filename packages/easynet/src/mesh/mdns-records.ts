import { createHash } from "node:crypto";
import type { QueryOutgoingPacket, ResponseOutgoingPacket } from "multicast-dns";
import { type Did, isDid } from "../identity/index.ts";
import { formatAddress } from "./libp2p-address.ts";

export type Answer = ResponseOutgoingPacket["answers"][number];
export type Question = QueryOutgoingPacket["questions"][number];

/**
 * DNS-SD over multicast DNS (RFC 6763, RFC 6762): what a node says about itself on the local network. It names the
 * node's key and port and a digest of the network, so that strangers learn neither the network nor what is offered
 * there. We differ from RFC 6762 in sending no probes: instance names hold the key and cannot collide.
 */
export const MDNS_SERVICE = "_easynet._tcp.local";
const RECORD_VERSION = "1";
/** Seconds that others may remember a record (RFC 6762 section 10 for records that name a host). */
const RECORD_TTL_SECONDS = 120;
const NETWORK_TAG_LENGTH = 16;
/** Addresses that one packet may give; more are dropped. */
const ADDRESSES_COUNT_MAX = 4;
const NAME_LENGTH_MAX = 63;
const IP4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

/** First 16 hex digits of the SHA-256 of the network's did: equal for members, meaningless to strangers. */
export function networkTag(network: Did): string {
  return createHash("sha256").update(network).digest("hex").slice(0, NETWORK_TAG_LENGTH);
}

export interface MdnsSelf {
  readonly networkTag: string;
  readonly did: Did;
  readonly name: string;
  /** Port of the mesh, 1..65535. */
  readonly port: number;
}

/** Where a node of the same network may be found; nothing of it is proven until it was dialled. */
export interface MdnsHint {
  readonly did: Did;
  /** Multiaddrs with the key at the end, the packet's sender first, at most 4. */
  readonly addresses: readonly string[];
  readonly name: string;
}

/** A node as it announces itself, of whatever network. */
export interface NearbyNode extends MdnsHint {
  readonly networkTag: string;
}

export type MdnsReading =
  | { readonly kind: "hint"; readonly hint: MdnsHint; readonly leaving: boolean }
  | { readonly kind: "own" | "foreign" | "other" };

/** The records of an announcement from an interface address; `leaving` makes it a goodbye (RFC 6762 section 10.1). */
export function announcement(self: MdnsSelf, address: string, leaving = false): Answer[] {
  const ttl = leaving ? 0 : RECORD_TTL_SECONDS;
  const key = self.did.slice("did:key:".length);
  const instance = `${key}.${MDNS_SERVICE}`;
  const host = `${key}.local`;
  const texts = [
    `v=${RECORD_VERSION}`,
    `net=${self.networkTag}`,
    `did=${self.did}`,
    `port=${self.port}`,
    `name=${self.name}`,
  ];
  return [
    { type: "PTR", name: MDNS_SERVICE, ttl, data: instance },
    { type: "SRV", name: instance, ttl, data: { port: self.port, target: host, priority: 0, weight: 0 } },
    { type: "TXT", name: instance, ttl, data: texts },
    { type: "A", name: host, ttl, data: address },
  ];
}

/** What a response says to us. Anything that does not read as an easynet record is `other`; it never throws. */
export function readAnswers(self: MdnsSelf, answers: readonly Answer[], sender: string): MdnsReading {
  const read = readNode(answers, sender);
  if (!read) return { kind: "other" };
  const { node, leaving } = read;
  if (node.did === self.did) return { kind: "own" };
  if (node.networkTag !== self.networkTag) return { kind: "foreign" };
  const { did, addresses, name } = node;
  return { kind: "hint", hint: { did, addresses, name }, leaving };
}

/** The node that a response announces; undefined when it announces none. It never throws. */
export function readNode(
  answers: readonly Answer[],
  sender: string,
): { readonly node: NearbyNode; readonly leaving: boolean } | undefined {
  const text = answers.find((answer) => answer.type === "TXT" && answer.name.endsWith(`.${MDNS_SERVICE}`));
  if (text?.type !== "TXT") return undefined;
  const fields = readFields(text.data);
  const did = fields.get("did") ?? "";
  const port = Number(fields.get("port"));
  const readable = fields.get("v") === RECORD_VERSION && isDid(did) && Number.isInteger(port);
  if (!readable || port < 1 || port > 65_535) return undefined;
  const named = answers.flatMap((answer) => (answer.type === "A" && IP4.test(answer.data) ? [answer.data] : []));
  const hosts = [...new Set([sender, ...named])].slice(0, ADDRESSES_COUNT_MAX);
  const addresses = hosts.map((host) => formatAddress({ protocol: "ip4", transport: "tcp", host, port, did }));
  const name = (fields.get("name") ?? "").slice(0, NAME_LENGTH_MAX);
  const tag = (fields.get("net") ?? "").slice(0, NETWORK_TAG_LENGTH);
  return { node: { did, addresses, name, networkTag: tag }, leaving: text.ttl === 0 };
}

function readFields(data: string | Buffer | (string | Buffer)[]): Map<string, string> {
  const texts = (Array.isArray(data) ? data : [data]).map((part) => part.toString("utf8"));
  return new Map(
    texts.flatMap((text) => {
      const split = text.indexOf("=");
      return split > 0 ? [[text.slice(0, split), text.slice(split + 1)] as const] : [];
    }),
  );
}
