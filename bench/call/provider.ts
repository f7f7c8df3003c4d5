/** The other process of the call bench: shares `add` on the network, and answers the same over bare HTTP. */
import { createServer } from "node:http";
import { ComputeNode } from "easynet";

const home = process.argv[2] ?? "";
const node = new ComputeNode({
  home,
  name: "provider",
  listenHost: "127.0.0.1",
  listenPort: 0,
  apiPort: 0,
  mdns: false,
});
node.register("add", (a: number, b: number) => a + b);
await node.serve();

/** What a developer would write without easynet: JSON in, JSON out, no checks. */
const http = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { a, b } = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    response.setHeader("content-type", "application/json").end(JSON.stringify({ value: a + b }));
  });
});
http.listen(0, "127.0.0.1", () => {
  const address = http.address();
  process.send?.({ httpPort: typeof address === "object" ? address?.port : 0 });
});
process.once("disconnect", () => process.exit(0));
