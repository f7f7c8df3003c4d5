import type { NetworkInterfaceInfo } from "node:os";

/** Interfaces that no neighbour hears: container bridges, virtual machines, tunnels. Name one to use it all the same. */
const VIRTUAL = /^(docker|br-|veth|virbr|vmnet|vboxnet|tailscale|utun|tun|tap|zt|wg|cni|flannel|cali|ifb|dummy)/;

export interface ChosenInterface {
  readonly interface: string;
  /** IPv4. */
  readonly address: string;
  readonly netmask: string;
}

export interface SkippedInterface {
  readonly interface: string;
  readonly address: string;
  readonly reason: string;
}

export interface InterfaceChoice {
  readonly chosen: readonly ChosenInterface[];
  readonly skipped: readonly SkippedInterface[];
}

/**
 * Which interfaces to announce on: those that `wanted` names (by name or address), or else every IPv4 interface that
 * is neither loopback nor virtual. One address per interface, since a group is joined once per interface.
 */
export function chooseInterfaces(
  machine: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
  wanted: readonly string[] | undefined,
): InterfaceChoice {
  const chosen: ChosenInterface[] = [];
  const skipped: SkippedInterface[] = [];
  for (const [name, all] of Object.entries(machine)) {
    const addresses = (all ?? []).filter((info) => info.family === "IPv4");
    const info = addresses.find((candidate) => wanted?.includes(candidate.address)) ?? addresses[0];
    if (!info) continue;
    const reason = skipReason(name, info, wanted);
    const { address, netmask } = info;
    if (reason === undefined) chosen.push({ interface: name, address, netmask });
    else skipped.push({ interface: name, address, reason });
  }
  for (const name of wanted ?? []) {
    const known = chosen.some((one) => one.interface === name || one.address === name);
    if (!known) skipped.push({ interface: name, address: "", reason: "there is no such interface" });
  }
  return { chosen, skipped };
}

function skipReason(name: string, info: NetworkInterfaceInfo, wanted: readonly string[] | undefined) {
  if (wanted) return wanted.includes(name) || wanted.includes(info.address) ? undefined : "not chosen";
  if (info.internal) return "loopback";
  return VIRTUAL.test(name) ? "virtual" : undefined;
}

/** True when `sender` is on the interface's own network: sockets on one port also get what others' groups receive. */
export function isOnLink(chosen: ChosenInterface, sender: string): boolean {
  const mask = toNumber(chosen.netmask);
  return (toNumber(chosen.address) & mask) === (toNumber(sender) & mask);
}

function toNumber(ip4: string): number {
  return ip4.split(".").reduce((sum, part) => (sum << 8) | (Number(part) & 0xff), 0);
}
