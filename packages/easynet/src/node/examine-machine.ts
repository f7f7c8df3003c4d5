import { existsSync, readFileSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseDid, verifyMembership } from "../identity/index.ts";
import { type Clock, toEasynetError } from "../kernel/index.ts";
import { type MulticastFinding, probeMulticast, type SkippedInterface } from "../mesh/index.ts";
import { portProblem } from "./choose-port.ts";
import type { LoadedConfig, NodeConfig } from "./config.ts";
import { type Finding, finding } from "./doctor-facts.ts";
import { membershipFileSchema } from "./home.ts";

const DISK_FREE_MB_MIN = 200;
const MEMBERSHIP_WARNING_DAYS = 3;
/** Of one that only the root key can make longer. */
const RIGHT_WARNING_DAYS = 180;
const DAY_MS = 86_400_000;
const MULTICAST_WAIT_MS = 3000;

export interface ExamineMachineOptions {
  readonly loaded: LoadedConfig;
  readonly clock: Clock;
  /** A node has the ports then. */
  readonly nodeRuns: boolean;
}

/** What can be found without a node: Node.js, disk, membership, ports, interfaces, multicast. Takes three seconds. */
export async function examineMachine(options: ExamineMachineOptions): Promise<readonly Finding[]> {
  const { loaded, clock, nodeRuns } = options;
  const config = loaded.value;
  const [membership, ports, multicast] = await Promise.all([
    examineMembership(config.home, clock.nowMs()),
    nodeRuns ? [] : examinePorts(loaded),
    config.mdns ? examineMulticast(config, clock) : [],
  ]);
  const version = finding("node-version-ok", { found: process.versions.node });
  return [version, examineDisk(config.home), membership, ...ports, ...multicast];
}

function examineDisk(home: string): Finding {
  let path = home;
  // Before the first start the folder is not there; its disk is.
  while (!existsSync(path) && dirname(path) !== path) path = dirname(path);
  const { bavail, bsize } = statfsSync(path);
  const freeMb = Math.floor((bavail * bsize) / 1e6);
  const values = { freeMb, path: home, neededMb: DISK_FREE_MB_MIN };
  return finding(freeMb < DISK_FREE_MB_MIN ? "disk-low" : "disk-ok", values);
}

async function examineMembership(home: string, nowMs: number): Promise<Finding> {
  const path = join(home, "membership.json");
  if (!existsSync(path)) return finding("membership-none");
  try {
    const file = membershipFileSchema.parse(JSON.parse(readFileSync(path, "utf8")));
    const network = file.networkName;
    if (existsSync(join(home, "root.key"))) return finding("membership-owner", { network });
    const { expiresAtMs, mayInvite } = await verifyMembership(Buffer.from(file.delegation, "base64"), {
      network: parseDid(file.network),
      member: parseDid(file.member),
      nowMs,
    });
    const days = Math.floor((expiresAtMs - nowMs) / DAY_MS);
    const ends = days < (mayInvite ? RIGHT_WARNING_DAYS : MEMBERSHIP_WARNING_DAYS);
    if (ends) return finding("membership-ends", { network, days });
    return finding(mayInvite ? "membership-inviting" : "membership-ok", { network, days });
  } catch (error) {
    return finding("membership-invalid", { reason: toEasynetError(error).message });
  }
}

async function examinePorts({ value, origin }: LoadedConfig): Promise<readonly Finding[]> {
  const ports = [
    { host: value.listenHost, port: value.listenPort, option: "--port", chosen: origin.listenPort !== "default" },
    { host: value.apiHost, port: value.apiPort, option: "--api-port", chosen: origin.apiPort !== "default" },
  ];
  const open = ports.filter(({ port }) => port !== 0);
  return Promise.all(
    open.map(async ({ host, port, option, chosen }) => {
      const reason = await portProblem(host, port);
      if (reason === undefined) return finding("port-free", { port });
      if (reason !== "EADDRINUSE") return finding("port-forbidden", { host, port, option, reason });
      return finding(chosen ? "port-blocked" : "port-taken", { port, option });
    }),
  );
}

async function examineMulticast(config: NodeConfig, clock: Clock): Promise<readonly Finding[]> {
  const interfaces = config.interfaces.length > 0 ? config.interfaces : undefined;
  const { chosen, skipped } = await probeMulticast({ interfaces, clock, timeoutMs: MULTICAST_WAIT_MS });
  const names = chosen.map((one) => `${one.interface} (${one.address})`).join(", ");
  const values = { chosen: names, skipped: skippedNames(skipped) };
  return [
    finding(chosen.length > 0 ? "interfaces-chosen" : "interfaces-none", values),
    ...chosen.map(multicastFinding),
  ];
}

function multicastFinding({ interface: name, sent, heardCount, problem }: MulticastFinding): Finding {
  if (!sent) {
    const reason = problem ?? "its own question did not come back";
    return finding("multicast-failed", { interface: name, reason });
  }
  if (heardCount > 0) return finding("multicast-heard", { interface: name, count: heardCount });
  return finding("multicast-alone", { interface: name, seconds: MULTICAST_WAIT_MS / 1000 });
}

function skippedNames(skipped: readonly SkippedInterface[]): string {
  return skipped.map((one) => `${one.interface} (${one.reason})`).join(", ") || "–";
}
