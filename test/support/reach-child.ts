/** A node in a process of its own, run inside a network namespace; the test talks to it over IPC. */
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import { serveNode } from "../../packages/easynet/src/gateway/index.ts";
import { loadConfig } from "../../packages/easynet/src/node/index.ts";

export type ReachRequest =
  | { readonly id: number; readonly kind: "call"; readonly capability: string; readonly value: string }
  | { readonly id: number; readonly kind: "connect"; readonly address: string }
  | { readonly id: number; readonly kind: "peers" | "addresses" };

const served = await serveNode(loadConfig({ env: {}, flags: JSON.parse(process.argv[2] ?? "{}") }));
const { node } = served;
const agent = functionAgent({ name: `functions@${node.name}` });
agent.register(`echo-${node.name}`, (text: string) => `${node.name}: ${text}`);
await node.addAgent(agent);

async function call(capability: string, value: string): Promise<unknown> {
  const startedAtMs = performance.now();
  for await (const event of node.call({ capability, input: { args: [value], kwargs: {} }, timeoutMs: 20_000 })) {
    const afterMs = performance.now() - startedAtMs;
    if (event.type === "final") return { value: event.value, afterMs };
    if (event.type === "error") return { code: event.error.code, afterMs };
  }
  return { code: "NOTHING" };
}

async function answer(request: ReachRequest): Promise<unknown> {
  if (request.kind === "call") return call(request.capability, request.value);
  if (request.kind === "connect") return (await node.connect(request.address)).did;
  return request.kind === "peers" ? node.peers() : node.status().addresses;
}

process.on("message", (request: ReachRequest) => {
  answer(request).then(
    (value) => process.send?.({ id: request.id, value }),
    (error: unknown) => process.send?.({ id: request.id, error: String(error) }),
  );
});
process.on("disconnect", () => void served.stop().then(() => process.exit(0)));
process.send?.({ id: 0, value: { did: node.did, addresses: node.status().addresses } });
