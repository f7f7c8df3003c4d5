import type { Did } from "../identity/index.ts";
import { isEasynetError } from "../kernel/index.ts";
import type { KeptBridge } from "../messaging/index.ts";
import { FULL_MESH_COUNT_MAX, type Mdns, type Mesh } from "../mesh/index.ts";
import type { Directory } from "../state/index.ts";
import { type Finding, finding } from "./doctor-facts.ts";
import type { DuplicateReport } from "./types.ts";

/** Members without a link that are dialled for one report; further ones are counted. */
const DIALLED_COUNT_MAX = 16;
const ADDRESSES_PER_MEMBER_MAX = 4;
const CLOCK_WARNING_MS = 5000;
/** From here on memberships that others issue now are not valid yet here. */
const CLOCK_FAILED_MS = 60_000;

export interface ExaminedNode {
  readonly bridge?: Pick<KeptBridge, "status"> | undefined;
  readonly name: string;
  readonly mesh: Pick<Mesh, "self" | "peers" | "addresses" | "connect">;
  readonly mdns: Pick<Mdns, "status"> | undefined;
  readonly directory: Pick<Directory, "nodes">;
  /** Another process with this node's key, as members told of it. */
  readonly duplicate?: Pick<DuplicateReport, "address" | "steppedBack"> | undefined;
}

/** What only a running node knows: links, who was heard, who cannot be reached and why, clocks. Takes some seconds. */
export async function examineNode(node: ExaminedNode): Promise<readonly Finding[]> {
  const { mesh, name, mdns } = node;
  const running = finding("node-running", { name, addresses: mesh.addresses().join("  ") || "–" });
  const heard = mdns ? [hearing(node)] : [finding("multicast-off")];
  return [running, identity(node), ...heard, ...(await reach(node)), clock(mesh), ...mirroring(node)];
}

function mirroring({ bridge }: ExaminedNode): readonly Finding[] {
  if (!bridge) return [];
  const { servers, stream, linked, reason, waiting } = bridge.status();
  return [finding(linked ? "bridge-linked" : "bridge-away", { servers, stream, waiting, reason: reason || "–" })];
}

function identity({ duplicate }: ExaminedNode): Finding {
  if (!duplicate) return finding("identity-alone");
  const { address, steppedBack } = duplicate;
  return finding(steppedBack ? "identity-twin-first" : "identity-twin", { address });
}

function hearing({ mesh, mdns, directory }: ExaminedNode): Finding {
  const linked = new Set(mesh.peers().map(({ did }) => did));
  const heard = mdns?.status().heard ?? [];
  const missing = heard.filter(({ did }) => !linked.has(did));
  const counts = { heard: heard.length, linked: heard.length - missing.length };
  if (missing.length === 0 || isLarge(directory)) return finding("heard-linked", counts);
  return finding("heard-unlinked", { ...counts, names: missing.map(({ name }) => name).join(", ") });
}

interface Member {
  readonly did: Did;
  readonly name: string;
  readonly addresses: readonly string[];
}

async function reach({ mesh, mdns, directory }: ExaminedNode): Promise<readonly Finding[]> {
  const peers = mesh.peers();
  const names = new Map(peers.map(({ did, name }) => [did, name]));
  const linked = peers.map(({ name, via }) =>
    via === undefined
      ? finding("reach-direct", { name })
      : finding("reach-relayed", { name, via: names.get(via) ?? via }),
  );
  const members = new Map<Did, Member>();
  for (const { did, name, addresses } of mdns?.status().heard ?? []) members.set(did, { did, name, addresses });
  for (const { did, record } of directory.nodes())
    members.set(did, { did, name: record.name, addresses: record.addresses });
  const unlinked = [...members.values()].filter(({ did }) => did !== mesh.self && !names.has(did));
  if (linked.length + unlinked.length === 0) return [finding("reach-nobody")];
  const counts = { linked: linked.length, members: linked.length + unlinked.length };
  if (isLarge(directory) && linked.length > 0) return [...linked, finding("reach-view", counts)];
  const dialled = await Promise.all(unlinked.slice(0, DIALLED_COUNT_MAX).map((member) => dial(mesh, member)));
  const left = unlinked.length - dialled.length;
  return [...linked, ...dialled, ...(left > 0 ? [finding("reach-more", { ...counts, left })] : [])];
}

/** Nobody keeps a link to everybody there, so that a member without one is nothing to mend. */
function isLarge(directory: ExaminedNode["directory"]): boolean {
  return directory.nodes().length > FULL_MESH_COUNT_MAX;
}

/** Dials every known address now and tells what each said. */
async function dial(mesh: Pick<Mesh, "connect">, { name, addresses }: Member): Promise<Finding> {
  if (addresses.length === 0) return finding("reach-no-address", { name });
  const attempts = await Promise.all(
    addresses.slice(0, ADDRESSES_PER_MEMBER_MAX).map(async (address) => {
      try {
        await mesh.connect(address);
        return { address, reason: undefined };
      } catch (error) {
        return { address, reason: reasonOf(error) };
      }
    }),
  );
  const worked = attempts.find(({ reason }) => reason === undefined);
  if (worked) return finding("reach-linked-now", { name, address: worked.address });
  return finding("reach-failed", {
    name,
    attempts: attempts.map(({ address, reason }) => `${hostOf(address)}: ${reason}`).join("; "),
  });
}

/** `192.168.1.20:7441` of a multiaddr, for people; another transport than TCP is named. */
function hostOf(address: string): string {
  const [, host, port, transport] = /^\/[^/]+\/([^/]+)\/(?:tcp|udp)\/(\d+)\/?(tls\/ws|ws|quic-v1)?/.exec(address) ?? [];
  return host === undefined ? address : `${host}:${port}${transport === undefined ? "" : ` (${transport})`}`;
}

function reasonOf(error: unknown): string {
  if (!isEasynetError(error)) return String(error);
  const reason = error.details["reason"];
  return typeof reason === "string" ? reason : error.message;
}

function clock(mesh: Pick<Mesh, "peers">): Finding {
  const offsets = mesh.peers().flatMap(({ clockOffsetMs }) => (clockOffsetMs === undefined ? [] : [clockOffsetMs]));
  // The median: one wrong clock among the others is theirs, not ours.
  const sorted = offsets.sort((left, right) => left - right);
  const median = sorted[Math.floor(sorted.length / 2)];
  if (median === undefined) return finding("clock-alone");
  const offMs = Math.abs(median);
  const values = { seconds: (offMs / 1000).toFixed(1), count: offsets.length };
  if (offMs >= CLOCK_FAILED_MS) return finding("clock-wrong", values);
  return finding(offMs >= CLOCK_WARNING_MS ? "clock-off" : "clock-ok", values);
}
