// Shares two functions with the network. Run it in one terminal: node share.ts
import { ComputeNode } from "easynet";

const node = new ComputeNode();

node.register("convert-celsius", (celsius: number) => celsius * 1.8 + 32, {
  summary: { en: "Celsius to Fahrenheit", zh: "摄氏度转华氏度" },
});

// A generator is a stream: whoever calls it sees each value as it is made.
node.register("count-down", function* (from: number) {
  for (let left = from; left > 0; left--) yield left;
});

const { name, functions } = await node.serve();
console.log(`${name} shares ${functions.join(", ")}`);
process.send?.("ready");
