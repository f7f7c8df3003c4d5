// What a user's program looks like, on the built package: shares functions that tell which process answered.
import { ComputeNode } from "../../packages/easynet/dist/index.js";

const [home, name] = process.argv.slice(2);
const node = new ComputeNode({ home, name, listenHost: "127.0.0.1", listenPort: 0, apiPort: 0, mdns: false });
node.register("who", () => name);
node.register("work", (ms) => new Promise((resolve) => setTimeout(() => resolve(name), ms)));
node.register("pay", (ms) => new Promise((resolve) => setTimeout(() => resolve(name), ms)), {
  sideEffects: "external",
});
await node.serve();
process.send("ready");
