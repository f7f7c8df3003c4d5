/** A process that runs one node after the other, each in a folder of its own; a trial tells it when (IPC). */
import { setTimeout as sleep } from "node:timers/promises";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import { type ServedNode, serveNode } from "../../packages/easynet/src/gateway/index.ts";
import { loadConfig } from "../../packages/easynet/src/node/index.ts";

export type TrialRequest =
  | { readonly id: number; readonly kind: "start"; readonly delayMs: number; readonly flags: Record<string, unknown> }
  /** Until every one of these nodes is known to live and its agent is found; what is missing after the time. */
  | { readonly id: number; readonly kind: "known"; readonly names: readonly string[]; readonly timeoutMs: number }
  | { readonly id: number; readonly kind: "stop" };

const POLL_MS = 25;
let served: ServedNode | undefined;

async function start(delayMs: number, flags: Record<string, unknown>): Promise<string> {
  await sleep(delayMs);
  const started = await serveNode(loadConfig({ env: {}, flags }));
  served = started;
  const agent = functionAgent({ name: `functions@${started.node.name}` });
  agent.register(`echo-${started.node.name}`, (text: string) => text);
  await started.node.addAgent(agent);
  return started.node.did;
}

async function known(names: readonly string[], timeoutMs: number): Promise<readonly string[]> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const alive = served?.node.offers() ?? [];
    const found = new Set(alive.map(({ capability }) => capability.name));
    const missing = names.filter((name) => !found.has(`echo-${name}`));
    if (missing.length === 0 || performance.now() > endMs) return missing;
    await sleep(POLL_MS);
  }
}

async function answer(request: TrialRequest): Promise<unknown> {
  if (request.kind === "start") return start(request.delayMs, request.flags);
  if (request.kind === "known") return known(request.names, request.timeoutMs);
  await served?.stop();
  served = undefined;
  return true;
}

process.on("message", (request: TrialRequest) => {
  answer(request).then(
    (value) => process.send?.({ id: request.id, value }),
    (error: unknown) => process.send?.({ id: request.id, error: String(error) }),
  );
});
process.on("disconnect", () => void served?.stop().then(() => process.exit(0)));
process.send?.({ id: 0, value: true });
