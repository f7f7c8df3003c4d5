import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import { type ServedNode, serveNode } from "../../packages/easynet/src/gateway/index.ts";
import { Home, loadConfig } from "../../packages/easynet/src/node/index.ts";
import type { AgentEvent } from "../../packages/easynet/src/model/index.ts";
import type { CallRequest, RoutedEvent } from "../../packages/easynet/src/routing/index.ts";

/** Real nodes of one private network in this process: own folders, keys and sockets on loopback. */
export class TestNetwork implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "easynet-test-"));
  readonly nodes: ServedNode[] = [];

  /** The first node creates the network; later ones are members by its delegation and know `bootstrap` addresses. */
  async start(name: string, settings: Readonly<Record<string, unknown>> = {}): Promise<ServedNode> {
    const home = await this.prepareHome(name);
    const own = { home, name, listenHost: "127.0.0.1", listenPort: 0, apiPort: 0, mdns: false, logLevel: "silent" };
    const config = loadConfig({ env: {}, flags: { ...own, ...settings } });
    const served = await serveNode(config);
    this.nodes.push(served);
    return served;
  }

  /** A folder whose key is a member of this network (unless it is the first one). */
  async prepareHome(name: string): Promise<string> {
    const home = new Home(join(this.folder, name));
    const issuer = this.nodes[0];
    if (issuer && !home.membership()) {
      home.saveMembership(await issuer.node.delegateMembership(home.nodeKey().did));
    }
    return home.path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((served) => served.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Offers functions on a node of this process. */
export async function share(
  served: ServedNode,
  functions: Readonly<Record<string, (...args: never[]) => unknown>>,
): Promise<void> {
  const agent = functionAgent({ name: `functions@${served.node.name}` });
  for (const [name, shared] of Object.entries(functions)) agent.register(name, shared);
  await served.node.addAgent(agent);
}

/** Waits for something that other nodes do; fails with `what` after `timeoutMs`. */
export async function until(what: string, condition: () => boolean, timeoutMs = 10_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

export type End = Extract<AgentEvent, { type: "final" | "error" }>;

/** Runs a call to its end. */
export async function callOn(
  served: ServedNode,
  capability: string,
  options: Partial<CallRequest> & { readonly args?: readonly unknown[] } = {},
): Promise<{ readonly events: readonly RoutedEvent[]; readonly end: End }> {
  const { args = [], ...rest } = options;
  const events: RoutedEvent[] = [];
  for await (const event of served.node.call({ capability, input: { args, kwargs: {} }, ...rest })) events.push(event);
  const end = events.at(-1);
  if (end?.type !== "final" && end?.type !== "error") throw new Error(`no end among ${events.length} events`);
  return { events, end };
}
