import { networkInterfaces } from "node:os";
import type { Clock } from "../kernel/index.ts";
import { type ChosenInterface, chooseInterfaces, isOnLink, type SkippedInterface } from "./mdns-interfaces.ts";
import { MDNS_SERVICE, type NearbyNode, readNode } from "./mdns-records.ts";
import type { MulticastSocket, OpenMulticast } from "./mdns-socket.ts";

/** Half a second between two questions: radio networks lose some. */
const ASK_INTERVAL_MS = 500;
/** Nodes that are told; further ones are only counted. */
const NODES_COUNT_MAX = 64;

export interface MulticastProbe {
  readonly chosen: readonly MulticastFinding[];
  readonly skipped: readonly SkippedInterface[];
}

/** What one interface did. */
export interface MulticastFinding {
  readonly interface: string;
  readonly address: string;
  /** This machine heard its own question. */
  readonly sent: boolean;
  /** Other machines that said anything by multicast. */
  readonly heardCount: number;
  /** Nodes that answered, of whatever network; at most 64. */
  readonly nodes: readonly NearbyNode[];
  /** Why it could not be used at all. */
  readonly problem: string | undefined;
}

export interface MulticastProbeOptions {
  /** Names or addresses; undefined = as a node chooses by itself. */
  readonly interfaces?: readonly string[] | undefined;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** @default that of multicast-dns */
  readonly open?: OpenMulticast;
}

/** Really asks by multicast on every interface that a node would use, and listens for `timeoutMs`. */
export async function probeMulticast(options: MulticastProbeOptions): Promise<MulticastProbe> {
  const { chosen, skipped } = chooseInterfaces(networkInterfaces(), options.interfaces);
  const open = options.open ?? (await import("multicast-dns")).default;
  return { chosen: await Promise.all(chosen.map((on) => probe(on, open, options))), skipped };
}

async function probe(
  on: ChosenInterface,
  open: OpenMulticast,
  options: MulticastProbeOptions,
): Promise<MulticastFinding> {
  const { clock, timeoutMs } = options;
  const heard = new Set<string>();
  const nodes = new Map<string, NearbyNode>();
  let sent = false;
  let problem: string | undefined;
  const socket = open({ interface: on.address, bind: "0.0.0.0", reuseAddr: true });
  const onPacket = (_packet: unknown, from: { readonly address: string }): void => {
    if (from.address === on.address) sent = true;
    else if (isOnLink(on, from.address)) heard.add(from.address);
  };
  const fail = (error: Error): void => {
    problem ??= error.message;
  };
  socket.on("error", fail);
  socket.on("warning", fail);
  socket.on("query", onPacket);
  socket.on("response", (packet, from) => {
    onPacket(packet, from);
    const read =
      isOnLink(on, from.address) && readNode([...(packet.answers ?? []), ...(packet.additionals ?? [])], from.address);
    if (read && !read.leaving && nodes.size < NODES_COUNT_MAX) nodes.set(read.node.did, read.node);
  });
  socket.on("ready", () => ask(socket, fail));
  const again = clock.setTimer(ASK_INTERVAL_MS, () => ask(socket, fail));
  await new Promise<void>((resolve) => {
    clock.setTimer(timeoutMs, resolve);
    // Timers of the clock keep no process alive; the open socket does.
  });
  again.cancel();
  await new Promise<void>((resolve) => {
    socket.destroy(resolve);
  });
  return {
    interface: on.interface,
    address: on.address,
    sent,
    heardCount: heard.size,
    nodes: [...nodes.values()],
    problem,
  };
}

function ask(socket: MulticastSocket, fail: (error: Error) => void): void {
  socket.query([{ name: MDNS_SERVICE, type: "PTR" }], (error) => {
    if (error) fail(error);
  });
}
