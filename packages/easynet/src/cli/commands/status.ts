import type { NodeStatusReport } from "../../node/index.ts";
import type { CliContext } from "../cli-context.ts";
import { columns } from "../columns.ts";
import { formatAge, formatPercent, shortDid } from "../format.ts";
import { LocalClient } from "../local-client.ts";

export async function status(context: CliContext): Promise<void> {
  const report = await readStatus(LocalClient.open(context.home));
  if (context.json) {
    context.printJson(report);
    return;
  }
  const { counts, load } = report;
  context.print(headline(context, report));
  const age = formatAge(Date.now() - report.startedAtMs, context.language);
  context.print(context.text("status.running", { age, pid: report.pid }));
  const work = {
    running: load.running,
    queued: load.queued,
    slots: load.slots,
    cpu: formatPercent(load.cpuRatio),
    memory: formatPercent(load.memoryRatio),
  };
  const rows = [
    [context.text("status.links"), context.text("status.linksValue", { peers: counts.peers, nodes: counts.nodes })],
    [context.text("status.work"), context.text("status.workValue", work)],
    [context.text("status.agents"), context.text("status.agentsValue", { count: counts.agents })],
    [context.text("status.addresses"), report.addresses.join("  ")],
    [context.text("status.multicast"), multicast(context, report)],
    ...report.bridges.map((bridge) => [context.text("status.bridge"), bridgeLine(context, bridge)]),
    [context.text("status.next"), counts.agents > 0 ? "easynet agents" : "easynet watch"],
  ];
  const { duplicate } = report;
  if (duplicate) {
    const who = context.text(duplicate.steppedBack ? "status.thisWaits" : "status.otherWaits");
    const value = context.text("status.duplicateValue", { address: duplicate.address, who });
    rows.unshift([context.text("status.duplicate"), value]);
  }
  context.print(columns(rows));
}

export async function readStatus(client: LocalClient): Promise<NodeStatusReport> {
  const value = await client.get("/api/status");
  if (isStatus(value)) return value;
  throw new TypeError("the node sent no status");
}

/** The node's own API: its shape is held by the OpenAPI test, so one field tells it from anything else. */
function isStatus(value: unknown): value is NodeStatusReport {
  return typeof value === "object" && value !== null && "did" in value && "bridges" in value;
}

/** Where topics are mirrored to, and what waits. */
function bridgeLine(context: CliContext, bridge: NodeStatusReport["bridges"][number]): string {
  const { servers, stream, waiting, linked } = bridge;
  return context.text(linked ? "status.bridgeLinked" : "status.bridgeAway", { servers, stream, waiting });
}

/** `easynet 0.1.0 · node amber-fox (z6Mk…hQ2f) · network "home"`. */
export function headline(context: CliContext, report: NodeStatusReport, note?: string): string {
  const { bold } = context.colors;
  const network = `${context.text("up.network")} "${report.network.name}"${note === undefined ? "" : ` (${note})`}`;
  return `easynet ${report.version} · ${bold(report.name)} (${shortDid(report.did)}) · ${network}`;
}

/** Where the node looks for machines nearby, and what it left out. */
export function multicast(context: CliContext, report: NodeStatusReport): string {
  const { discovery } = report;
  if (discovery.length === 0) return context.text("up.multicastOff");
  const isSkipped = (state: string): boolean => state.startsWith("skipped") || state.startsWith("failed");
  const used = discovery.filter(({ state }) => !isSkipped(state)).map((one) => `${one.interface} (${one.address})`);
  const skipped = discovery.filter(({ state }) => isSkipped(state));
  const names = [...new Set(skipped.map((one) => `${one.interface} (${one.state.replace(/^skipped: /, "")})`))];
  const parts = [
    used.length > 0 ? context.text("up.listensOn", { interfaces: used.join(", ") }) : context.text("up.noInterface"),
  ];
  if (names.length > 0) parts.push(context.text("up.skipped", { interfaces: names.join(", ") }));
  return parts.join(" · ");
}
