/** One of the demo's three nodes: an ordinary program that shares functions. Started by run-demo.ts as a process. */
import { parseArgs } from "node:util";
import { ComputeNode } from "../../sdk/index.ts";
import { countWords, detectScript, surveyDocument } from "./text-functions.ts";

const { values } = parseArgs({
  options: { home: { type: "string" }, name: { type: "string" }, interface: { type: "string" } },
});

const node = new ComputeNode({
  ...(values.home !== undefined && { home: values.home }),
  ...(values.name !== undefined && { name: values.name }),
  ...(values.interface === undefined ? { mdns: false } : { interfaces: [values.interface] }),
  agent: `text@${values.name}`,
  description: "Text functions of the demo",
  listenHost: "127.0.0.1",
  listenPort: 0,
  apiPort: 0,
});
node.register("text.detect-script", detectScript);
// Cutting text into words is real work: in worker threads it does not hold up the node itself.
const module = new URL(`./text-functions${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
node.register("text.tokenise", { module, export: "tokenise" }, { parameters: ["text", "script"] });
node.register("text.count", countWords);
node.register("text.survey", surveyDocument);
const { did } = await node.serve();
process.send?.({ type: "ready", did });
// The demo ends its nodes by closing the channel; a demo that died must not leave them behind.
process.once("disconnect", () => void node.stop().then(() => process.exit(0)));
