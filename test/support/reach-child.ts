/** A node in a process of its own, run inside a network namespace; the test talks to it over IPC. */
import { holdings, leak } from "./probe.ts";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import { serveNode } from "../../packages/easynet/src/gateway/index.ts";
import { loadConfig } from "../../packages/easynet/src/node/index.ts";
import type { ReachRequest, Use } from "./reach-messages.ts";

const served = await serveNode(loadConfig({ env: {}, flags: JSON.parse(process.argv[2] ?? "{}") }));
const { node } = served;
const seen = { deaths: 0, suspicions: 0, linksLost: 0 };
let leaks = false;
const agent = functionAgent({ name: `functions@${node.name}` });
agent.register(`echo-${node.name}`, (text: string) => {
  if (leaks) leak();
  return `${node.name}: ${text}`;
});
await node.addAgent(agent);
const statuses = new Map<string, string>();
node.onEvent((event) => {
  if (event.type === "peer-left") seen.linksLost++;
  if (event.type !== "node-changed" || statuses.get(event.did) === event.status) return;
  statuses.set(event.did, event.status);
  if (event.status === "dead") seen.deaths++;
  if (event.status === "suspect") seen.suspicions++;
});

async function call(capability: string, value: string): Promise<unknown> {
  const startedAtMs = performance.now();
  for await (const event of node.call({ capability, input: { args: [value], kwargs: {} }, timeoutMs: 20_000 })) {
    const afterMs = performance.now() - startedAtMs;
    if (event.type === "final") return { value: event.value, afterMs };
    if (event.type === "error") return { code: event.error.code, afterMs };
  }
  return { code: "NOTHING" };
}

async function starve(blockMs: number, restMs: number): Promise<never> {
  for (;;) {
    const endMs = performance.now() + blockMs;
    while (performance.now() < endMs);
    await sleep(restMs);
  }
}

function use(): Use {
  const { user, system } = process.cpuUsage();
  const fields = readFileSync("/proc/self/net/dev", "utf8")
    .split("\n")
    .filter((line) => line.includes(":") && !line.trim().startsWith("lo:"))
    .map((line) => (line.split(":")[1] ?? "").trim().split(/\s+/).map(Number));
  const sum = (column: number): number => fields.reduce((total, row) => total + (row[column] ?? 0), 0);
  return { cpuMs: (user + system) / 1000, sentBytes: sum(8), sentPackets: sum(9) };
}

async function answer(request: ReachRequest): Promise<unknown> {
  switch (request.kind) {
    case "call":
      return call(request.capability, request.value);
    case "connect":
      return (await node.connect(request.address)).did;
    case "starve":
      void starve(request.blockMs, request.restMs);
      return null;
    case "peers":
      return node.peers();
    case "addresses":
      return node.status().addresses;
    case "holdings":
      return holdings();
    case "leak":
      leaks = true;
      return null;
    case "seen":
      return { ...seen };
    case "use":
      break;
  }
  return use();
}

process.on("message", (request: ReachRequest) => {
  answer(request).then(
    (value) => process.send?.({ id: request.id, value }),
    (error: unknown) => process.send?.({ id: request.id, error: String(error) }),
  );
});
process.on("disconnect", () => void served.stop().then(() => process.exit(0)));
process.send?.({ id: 0, value: { did: node.did, addresses: node.status().addresses } });
