import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, sep } from "node:path";
import type { ServedNode } from "../../gateway/index.ts";
import type { NodeStatusReport } from "../../node/index.ts";
import type { CliContext } from "../cli-context.ts";
import { columns, printable } from "../columns.ts";
import { formatMs, shortDid } from "../format.ts";
import { startDetached } from "./detach.ts";
import { headline, multicast } from "./status.ts";

export interface UpOptions {
  readonly name?: string;
  readonly port?: string;
  readonly apiPort?: string;
  readonly listen?: string;
  readonly alsoListen?: readonly string[];
  readonly announce?: readonly string[];
  readonly bootstrap?: readonly string[];
  readonly mdns?: boolean;
  readonly interface?: readonly string[];
  readonly relay?: boolean;
  readonly detach?: boolean;
}

/** What `up` tells once the node is ready; the object of `--json`. */
export interface UpReport {
  readonly status: NodeStatusReport;
  readonly networkIsNew: boolean;
  readonly apiUrl: string;
  readonly tokenFile: string;
  readonly functions: readonly string[];
  readonly peers: readonly string[];
  /** Only of `join`: the first member that this machine linked to, if one answered in time. */
  readonly joined?: { readonly network: string; readonly member?: string; readonly rttMs?: number };
  /** From the start of this process to ready. */
  readonly readyMs: number;
}

/** Starts a node and stays until it is told to stop: by Ctrl-C, SIGTERM, or `easynet down`. */
export async function up(context: CliContext, options: UpOptions, args: readonly string[]): Promise<void> {
  if (options.detach === true) {
    await upDetached(context, args);
    return;
  }
  // From here on a signal means to leave in order, also while the node is still starting.
  await context.interruptible((signal) => serve(context, options, { signal }));
}

/** The same command as a process of its own. */
export async function upDetached(context: CliContext, args: readonly string[]): Promise<void> {
  const report = await startDetached(context, args);
  if (context.json) context.printJson(report);
  else {
    print(context, report);
    context.say(context.text("up.background", { pid: report.status.pid }));
  }
}

export interface ServeOptions {
  readonly signal: AbortSignal;
  /** What `join` tells beside; waited for before the report is printed. */
  readonly joined?: (served: ServedNode) => Promise<NonNullable<UpReport["joined"]>>;
}

/** Runs a node and tells about it until it stops. */
export async function serve(context: CliContext, options: UpOptions, serving: ServeOptions): Promise<void> {
  const { signal } = serving;
  // The mesh and all that hangs on it is loaded only here.
  const [{ serveNode }, { loadConfig }, { builtInFunctions }] = await Promise.all([
    import("../../gateway/index.ts"),
    import("../../node/index.ts"),
    import("../built-in-functions.ts"),
  ]);
  const config = loadConfig({ env: context.io.env, flags: flagsOf(context, options) });
  const networkIsNew = !existsSync(join(config.value.home, "membership.json"));
  const served = await serveNode(config);
  try {
    await served.node.addAgent(builtInFunctions(served.node.name));
    const joined = await serving.joined?.(served);
    const report = { ...reportOf(served, networkIsNew), ...(joined && { joined }) };
    if (context.json) context.printJson(report);
    else print(context, report);
    await untilStopped(context, served, signal);
  } finally {
    await served.stop();
  }
}

export function flagsOf(context: CliContext, options: UpOptions): Readonly<Record<string, unknown>> {
  return {
    home: context.homeFlag,
    name: options.name,
    listenPort: options.port,
    apiPort: options.apiPort,
    listenHost: options.listen,
    alsoListen: options.alsoListen,
    announce: options.announce,
    bootstrap: options.bootstrap,
    interfaces: options.interface,
    relay: options.relay,
    // Commander sets a --no- option to true when it was not given; then it is not a flag.
    mdns: options.mdns === false ? false : undefined,
  };
}

function reportOf(served: ServedNode, networkIsNew: boolean): UpReport {
  const { node, apiUrl, tokenPath } = served;
  const functions = node.offers().map((offer) => offer.capability.name);
  return {
    status: node.status(),
    networkIsNew,
    apiUrl,
    tokenFile: tokenPath,
    functions: [...new Set(functions)],
    peers: node.peers().map((peer) => peer.name),
    readyMs: Math.round(performance.now()),
  };
}

function print(context: CliContext, report: UpReport): void {
  const { status, functions, peers } = report;
  const { cyan, dim } = context.colors;
  const note = context.text(report.networkIsNew ? "up.new" : "up.private");
  const nearby = peers.length === 0 ? context.text("up.nobody") : peers.map(printable).join(", ");
  const offers = functions.length === 0 ? context.text("up.offersNothing") : functions.map(printable).join(", ");
  const next = functions.includes("count-words") ? 'easynet call count-words "what can it do"' : "easynet agents";
  const rows = [
    [context.text("up.nearby"), `${nearby} · ${multicast(context, status)}`],
    [context.text("up.reachable"), status.addresses.map(printable).join("  ") || "–"],
    [context.text("up.offers"), offers],
    [
      context.text("up.api"),
      `${report.apiUrl}  ${dim(context.text("up.token", { file: shortPath(report.tokenFile) }))}`,
    ],
    [context.text("up.try"), cyan(next)],
  ];
  const joined = report.joined && `${joinedLine(context, report.joined)}\n`;
  context.print(`${joined ?? ""}${headline(context, status, note)}\n\n${columns(rows)}\n`);
  context.say(dim(context.text("up.ready", { time: formatMs(report.readyMs) })));
}

/** `joined "home" · amber-fox is 0.4 ms away`: only what was seen. */
function joinedLine(context: CliContext, joined: NonNullable<UpReport["joined"]>): string {
  const { network, member, rttMs } = joined;
  const parts = [context.text("join.joined", { network: printable(network) })];
  if (member === undefined) parts.push(context.text("join.nobodyYet"));
  else if (rttMs === undefined) parts.push(context.text("join.linked", { name: printable(member) }));
  else parts.push(context.text("join.away", { name: printable(member), time: formatMs(rttMs) }));
  return parts.join(" · ");
}

/** `~/.easynet/token`: the user's home folder by its short name. */
function shortPath(path: string): string {
  const home = homedir();
  return path.startsWith(home + sep) ? `~${path.slice(home.length)}` : path;
}

/** Tells who comes and goes; the first signal leaves the network in order, the second one ends the process at once. */
async function untilStopped(context: CliContext, served: ServedNode, signal: AbortSignal): Promise<void> {
  const say = (line: string): void => {
    if (!context.json) context.say(line);
  };
  say(context.colors.dim(context.text("up.stopHint")));
  using _events = served.node.onEvent((event) => {
    if (event.type === "peer-joined") say(context.text("up.joined", { name: printable(event.name) }));
    if (event.type === "join-asked") {
      const values = { name: printable(event.name), id: shortDid(event.did), did: event.did };
      say(context.text("up.joinAsked", values));
    }
    if (event.type === "duplicate-identity") say(context.text("up.duplicate", { reason: printable(event.reason) }));
    if (event.type === "peer-left") say(context.text("up.left", { name: printable(event.name) }));
  });
  const leave = (): void => {
    say(context.text("up.leaving"));
    void served.stop();
  };
  signal.addEventListener("abort", leave, { once: true });
  if (signal.aborted) leave();
  await served.stopped;
  say(context.text("up.leftNetwork"));
}
