import { setTimeout as sleep } from "node:timers/promises";
import type { ServedNode } from "../../gateway/index.ts";
import { EasynetError, systemClock } from "../../kernel/index.ts";
import type { MembershipFile } from "../../node/index.ts";
import type { CliContext } from "../cli-context.ts";
import { shortDid } from "../format.ts";
import { flagsOf, serve, upDetached, type UpOptions, type UpReport } from "./up.ts";

/** How long the first link to a member is waited for before the report is printed; the node goes on trying. */
const LINK_TIMEOUT_MS = 5000;
/** From the link to its first measured round trip. */
const RTT_TIMEOUT_MS = 500;
const POLL_MS = 10;
const AWAKE_INTERVAL_MS = 1000;

export interface JoinCommandOptions extends UpOptions {
  readonly code?: string;
  /** True: whoever is nearby. */
  readonly ask?: string | true;
}

/** Becomes a member, then runs a node exactly as `up` does. */
export async function join(context: CliContext, options: JoinCommandOptions, args: readonly string[]): Promise<void> {
  if (options.code === undefined && options.ask === undefined) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "easynet join", reason: context.text("join.noCode") });
  }
  if (options.detach === true) {
    await upDetached(context, args);
    return;
  }
  await context.interruptible(async (signal) => {
    const membership = await becomeMember(context, options, signal);
    const joined = (served: ServedNode): Promise<NonNullable<UpReport["joined"]>> => firstLink(served, membership);
    await serve(context, options, { signal, joined });
  });
}

async function becomeMember(
  context: CliContext,
  options: JoinCommandOptions,
  signal: AbortSignal,
): Promise<MembershipFile> {
  const { askForApproval, findNearby, joinNetwork, loadConfig } = await import("../../node/index.ts");
  const config = loadConfig({ env: context.io.env, flags: flagsOf(context, options) });
  const { code, ask = true } = options;
  if (code !== undefined) return joinNetwork(config, { code, signal });
  // Between two questions there is no connection, and the timers of a node keep no process alive.
  const awake = setInterval(() => undefined, AWAKE_INTERVAL_MS);
  try {
    const address = ask === true ? await findNearby(config, systemClock) : ask;
    return await askForApproval(config, {
      address,
      signal,
      onPending: ({ own, issuer }) =>
        context.say(context.text("join.waiting", { own, issuer: `${address} (${shortDid(issuer)})` })),
    });
  } finally {
    clearInterval(awake);
  }
}

/** Who answers first and how far it is. What did not happen in time is not told. */
async function firstLink(served: ServedNode, membership: MembershipFile): Promise<NonNullable<UpReport["joined"]>> {
  const network = membership.networkName;
  const startMs = performance.now();
  const waited = (): number => performance.now() - startMs;
  while (served.node.peers().length === 0 && waited() < LINK_TIMEOUT_MS) await sleep(POLL_MS);
  const linkedMs = waited();
  const first = (): ReturnType<typeof served.node.peers>[number] | undefined => served.node.peers()[0];
  while (first() && first()?.rttMs === undefined && waited() - linkedMs < RTT_TIMEOUT_MS) await sleep(POLL_MS);
  const peer = first();
  if (!peer) return { network };
  return { network, member: peer.name, ...(peer.rttMs !== undefined && { rttMs: peer.rttMs }) };
}
