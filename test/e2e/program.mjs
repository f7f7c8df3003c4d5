// What a user's program looks like, on the built package: shares functions that tell which process answered.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ComputeNode } from "../../packages/easynet/dist/index.js";

const [home, name] = process.argv.slice(2);
const node = new ComputeNode({ home, name, listenHost: "127.0.0.1", listenPort: 0, apiPort: 0, mdns: false });
node.register("who", () => name);
node.register("work", (ms) => new Promise((resolve) => setTimeout(() => resolve(name), ms)));
node.register("pay", (ms) => new Promise((resolve) => setTimeout(() => resolve(name), ms)), {
  sideEffects: "external",
});
// Each run of an effect leaves a line, so that a test can count them after any kill.
const leaveTrace = (word) => appendFileSync(join(home, "trace"), `${word}\n`);
node.register(
  "charge",
  async function* (count, ms) {
    leaveTrace("charge");
    for (let number = 1; number <= count; number++) {
      yield number;
      await sleep(ms);
    }
  },
  { sideEffects: "external" },
);
node.register(
  "jot",
  async function* (count, ms) {
    leaveTrace("jot");
    for (let number = 1; number <= count; number++) {
      yield number;
      await sleep(ms);
    }
  },
  { sideEffects: "local", durability: "process" },
);
node.register(
  "render",
  async (ms) => {
    leaveTrace("render");
    await sleep(ms);
    return name;
  },
  { durability: "disk" },
);
await node.serve();
process.send("ready");
