import type { AgentReport } from "../../gateway/index.ts";
import type { CliContext } from "../cli-context.ts";
import { printable } from "../columns.ts";
import { formatAge, formatMs } from "../format.ts";
import { LocalClient } from "../local-client.ts";

export interface AgentsOptions {
  readonly can?: string;
  readonly agent?: string;
  /** A query of the directory. */
  readonly where?: string;
  /** Also on nodes that are not alive. */
  readonly all?: boolean;
}

/** Capabilities shown of one agent; the rest is counted. */
const CAPABILITIES_SHOWN_MAX = 6;

export async function agents(context: CliContext, options: AgentsOptions): Promise<void> {
  const found = await readAgents(LocalClient.open(context.home), options);
  if (context.json) {
    context.printJson({ agents: found });
  } else if (found.length === 0) {
    const none = options.can === undefined ? "agents.none" : "agents.noneCan";
    context.say(context.text(none, { capability: options.can ?? "" }));
  } else {
    context.printTable(
      ["column.name", "column.where", "column.can", "column.price", "column.path", "column.state"],
      found.map((agent) => row(context, agent)),
    );
  }
}

export async function readAgents(client: LocalClient, options: AgentsOptions): Promise<readonly AgentReport[]> {
  const query = new URLSearchParams();
  if (options.can !== undefined) query.set("capability", options.can);
  if (options.agent !== undefined) query.set("agent", options.agent);
  const where = [options.where ?? "", options.all ? "status:any" : ""].filter((part) => part !== "").join(" ");
  if (where !== "") query.set("where", where);
  const answer = await client.get(`/api/agents?${query.toString()}`);
  if (isAgents(answer)) return answer.agents;
  throw new TypeError("the node sent no agents");
}

function isAgents(value: unknown): value is { readonly agents: readonly AgentReport[] } {
  return typeof value === "object" && value !== null && "agents" in value && Array.isArray(value.agents);
}

/** Names come from other machines, so they are shown without control characters. */
function row(context: CliContext, agent: AgentReport): string[] {
  const names = agent.capabilities.map(({ name }) => name);
  const shown = names.slice(0, CAPABILITIES_SHOWN_MAX).join(", ");
  const more = names.length > CAPABILITIES_SHOWN_MAX ? `, +${names.length - CAPABILITIES_SHOWN_MAX}` : "";
  const cells = [agent.name, agent.node.name, shown + more, price(context, agent), path(context, agent)];
  return [...cells, state(context, agent)].map(printable);
}

/** `–` where nobody stated a price: that is not the same as free. */
function price(context: CliContext, agent: AgentReport): string {
  const prices = new Set(
    agent.capabilities.map(({ cost }) => {
      if (!cost) return "–";
      if (cost.baseCost === 0 && !cost.perInputToken && !cost.perOutputToken) return context.text("agents.free");
      return `${cost.baseCost} ${cost.currency}/${cost.unit.replace("per_", "")}`;
    }),
  );
  return [...prices].slice(0, 2).join(", ");
}

/** How this machine reaches the agent: that is another question than whether it is alive or busy. */
function path(context: CliContext, { node }: AgentReport): string {
  if (node.path.kind === "local") return context.text("agents.local");
  if (node.path.kind === "none") return context.text("agents.noLink");
  return node.path.rttMs === undefined ? context.text("agents.linked") : formatMs(node.path.rttMs);
}

function state(context: CliContext, agent: AgentReport): string {
  const { status, load, lastSeenAtMs } = agent.node;
  if (status !== "alive") {
    return context.text("agents.seen", { status, age: formatAge(Date.now() - lastSeenAtMs, context.language) });
  }
  if (agent.missing.length > 0) return context.text("agents.missing", { names: agent.missing.join(", ") });
  const busy = load && load.running >= load.slots && load.slots > 0;
  return busy
    ? context.text("agents.busy", { running: load.running, slots: load.slots })
    : context.text("agents.ready");
}
